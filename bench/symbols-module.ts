// A shared library with about 80 MB of debug info, for bench/symbols.ts.
//
// Compiling that much takes minutes, and what a compiler does is not what is measured. So one unit is
// compiled, and the others are made from its object file by renaming: every name of the unit holds one
// marker of fixed length, in symbols, section names and debug info alike, and ELF objects have no hash
// over their bytes. Linked, they are units of their own with functions of their own.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const marker = 'unit_000';
const unitCount = 29;
const shelfCount = 1000;
/** Raised whenever the module would come out different. */
const recipe = 2;

function source(): string {
  const shelves = Array.from({ length: shelfCount }, (_, n) => `template struct Shelf<${n}>;`);
  return `#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>
namespace bench { namespace ${marker} {
template <int N> struct Item {
  int price; long weight; const char* name;
  inline int taxed(int rate) const {
    int sum = price * rate;
    for (int i = 0; i < N % 7; i++) sum += i ^ rate;
    return sum;
  }
  inline long heavy(long by) const { return weight * by + taxed(N); }
};
template <int N> struct Shelf {
  Item<N> first; Item<N> second; int count;
  __attribute__((noinline)) int total(int rate) {
    int a = first.taxed(rate);
    int b = second.taxed(rate + N);
    return a * b + count;
  }
  __attribute__((noinline)) long load(long by) {
    long a = first.heavy(by);
    long b = second.heavy(by - N);
    sink(&a);
    return a + b;
  }
  __attribute__((noinline)) static void sink(long* value) { *value ^= N; }
};
struct Book {
  std::map<std::string, std::vector<int>> pages;
  std::unordered_map<int, std::shared_ptr<Book>> others;
  std::function<int(int)> rate;
  int read(const std::string& name, int page) {
    others[page] = std::make_shared<Book>();
    return rate(pages[name].at(page));
  }
};
int read(Book& book, const std::string& name) { return book.read(name, 3); }
${shelves.join('\n')}
}}
`;
}

/** The library's path. Built once (some 30 s) and kept in the temporary folder. */
export function largeModule(): string {
  const folder = join(tmpdir(), `memprof-bench-symbols-${process.getuid?.() ?? 0}-${recipe}`);
  const library = join(folder, 'large.so');
  if (existsSync(library)) return library;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const run = (command: string, ...args: string[]): void => {
    execFileSync(command, args, { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
  };
  writeFileSync(join(folder, 'unit.cc'), source());
  run('g++', '-std=c++17', '-O1', '-g', '-gz=none', '-fPIC', '-c', 'unit.cc', '-o', 'unit.o');
  const object = readFileSync(join(folder, 'unit.o')).toString('latin1');
  const objects = Array.from({ length: unitCount }, (_, unit) => {
    const name = `unit_${String(unit).padStart(3, '0')}`;
    writeFileSync(join(folder, `${name}.o`), object.replaceAll(marker, name), 'latin1');
    return `${name}.o`;
  });
  const made = `large.${process.pid}.so`;
  run('g++', '-shared', '-Wl,--build-id', ...objects, '-o', made);
  for (const name of objects) rmSync(join(folder, name));
  renameSync(join(folder, made), library);
  return library;
}
