#include "instruction.h"

#include <gtest/gtest.h>
#include <stdio.h>
#include <stdlib.h>

#include <initializer_list>
#include <random>
#include <string>
#include <vector>

namespace mp::unwind {
namespace {

Instruction read(std::initializer_list<uint8_t> bytes) {
  std::vector<uint8_t> code(bytes);
  auto at = reinterpret_cast<uintptr_t>(code.data());
  Instruction instruction = read_instruction(at, at + code.size());
  if (instruction.op == Op::kJump || instruction.op == Op::kBranch || instruction.op == Op::kCall ||
      instruction.op == Op::kCallMemory || instruction.op == Op::kJumpMemory)
    instruction.value -= static_cast<int64_t>(at);
  return instruction;
}

void expect(std::initializer_list<uint8_t> bytes, Op op, uint8_t reg, uint8_t base, int64_t value) {
  Instruction got = read(bytes);
  EXPECT_EQ(got.op, op);
  EXPECT_EQ(got.length, bytes.size());
  EXPECT_EQ(got.reg, reg);
  EXPECT_EQ(got.base, base);
  EXPECT_EQ(got.value, value);
}

TEST(Instruction, WhatMovesTheStackPointerIsKnownByItsAmount) {
  expect({0x55}, Op::kPush, kRbp, kNoReg, 8);                             // push rbp
  expect({0x41, 0x57}, Op::kPush, 15, kNoReg, 8);                         // push r15
  expect({0x6a, 0x01}, Op::kPush, kNoReg, kNoReg, 8);                     // push 1
  expect({0x68, 1, 0, 0, 0}, Op::kPush, kNoReg, kNoReg, 8);               // push 1
  expect({0xff, 0x74, 0x24, 0x08}, Op::kPush, kNoReg, kNoReg, 8);         // push [rsp+8]
  expect({0x5d}, Op::kPop, kRbp, kNoReg, 8);                              // pop rbp
  expect({0x8f, 0x45, 0x10}, Op::kPop, kNoReg, kNoReg, 8);                // pop [rbp+16]
  expect({0x48, 0x83, 0xec, 0x28}, Op::kAdd, kRsp, kNoReg, -0x28);        // sub rsp, 0x28
  expect({0x48, 0x83, 0xc4, 0x80}, Op::kAdd, kRsp, kNoReg, -0x80);        // add rsp, -0x80
  expect({0x48, 0x81, 0xc4, 0, 1, 0, 0}, Op::kAdd, kRsp, kNoReg, 0x100);  // add rsp, 0x100
  expect({0x48, 0x8d, 0x65, 0xd8}, Op::kLea, kRsp, kRbp, -0x28);          // lea rsp, [rbp-0x28]
  expect({0x49, 0x8d, 0x62, 0xf8}, Op::kLea, kRsp, 10, -8);               // lea rsp, [r10-8]
  expect({0x48, 0x89, 0xec}, Op::kMove, kRsp, kRbp, 0);                   // mov rsp, rbp
  expect({0x48, 0x8b, 0xe5}, Op::kMove, kRsp, kRbp, 0);                   // mov rsp, rbp
  expect({0x48, 0x8b, 0x6c, 0x24, 0x10}, Op::kLoad, kRbp, kRsp, 0x10);    // mov rbp, [rsp+16]
  expect({0x48, 0x89, 0x6c, 0x24, 0x10}, Op::kStore, kRbp, kRsp, 0x10);   // mov [rsp+16], rbp
  expect({0x48, 0x83, 0xe4, 0xf0}, Op::kWrite, kRsp, kNoReg, 0);          // and rsp, -16
  expect({0x48, 0x29, 0xc4}, Op::kWrite, kRsp, kNoReg, 0);                // sub rsp, rax
  expect({0xc9}, Op::kLeave, kNoReg, kNoReg, 0);
  expect({0xc3}, Op::kRet, kNoReg, kNoReg, 0);
  expect({0xf3, 0xc3}, Op::kRet, kNoReg, kNoReg, 0);
  expect({0xc2, 0x10, 0x00}, Op::kRet, kNoReg, kNoReg, 16);
}

TEST(Instruction, JumpsAndCallsHaveTheirTargets) {
  expect({0xe8, 0x10, 0, 0, 0}, Op::kCall, kNoReg, kNoReg, 0x15);
  expect({0xe9, 0xf0, 0xff, 0xff, 0xff}, Op::kJump, kNoReg, kNoReg, -11);
  expect({0xeb, 0x02}, Op::kJump, kNoReg, kNoReg, 4);
  expect({0x74, 0xfe}, Op::kBranch, kNoReg, kNoReg, 0);
  expect({0x0f, 0x84, 0, 1, 0, 0}, Op::kBranch, kNoReg, kNoReg, 0x106);
  expect({0xff, 0xd0}, Op::kCallAway, kNoReg, kNoReg, 0);                      // call rax
  expect({0x41, 0xff, 0x54, 0x24, 0x08}, Op::kCallAway, kNoReg, kNoReg, 0);    // call [r12+8]
  expect({0xff, 0x15, 0x10, 0, 0, 0}, Op::kCallMemory, kNoReg, kNoReg, 0x16);  // call [rip+16]
  expect({0xff, 0x25, 0x10, 0, 0, 0}, Op::kJumpMemory, kNoReg, kNoReg, 0x16);  // jmp [rip+16]
  expect({0x3e, 0xff, 0xe0}, Op::kJumpAway, kNoReg, kNoReg, 0);                // notrack jmp rax
  expect({0x0f, 0x0b}, Op::kStop, kNoReg, kNoReg, 0);
}

TEST(Instruction, WhatOnlyLooksLikeTheStackIsNoPlaceOnIt) {
  EXPECT_EQ(read({0x64, 0x48, 0x8b, 0x6c, 0x24, 0x10}).op, Op::kWrite);  // mov rbp, fs:[rsp+16]
  EXPECT_EQ(read({0x48, 0x8b, 0x2c, 0x04}).op, Op::kWrite);              // mov rbp, [rsp+rax]
  EXPECT_EQ(read({0x8b, 0x6c, 0x24, 0x10}).op, Op::kWrite);              // mov ebp, [rsp+16]
  EXPECT_EQ(read({0x48, 0x39, 0xe5}).op, Op::kPlain);                    // cmp rbp, rsp
  EXPECT_EQ(read({0x31, 0xed}).reg, kRbp);                               // xor ebp, ebp
}

TEST(Instruction, NeverReadsBeyondTheEndOrGivesALengthThatReachesThere) {
  std::mt19937_64 random(11);
  for (int round = 0; round < 300000; ++round) {
    auto bytes = static_cast<size_t>(1 + random() % 18);
    std::vector<uint8_t> code(bytes);  // a heap block of its own, for sanitizers and valgrind
    for (uint8_t& byte : code) byte = static_cast<uint8_t>(random());
    auto at = reinterpret_cast<uintptr_t>(code.data());
    Instruction instruction = read_instruction(at, at + bytes);
    if (instruction.op != Op::kBad) {
      ASSERT_GE(instruction.length, 1);
      ASSERT_LE(instruction.length, bytes);
    }
  }
}

// The code of the C library and of this program, instruction by instruction.
TEST(Instruction, HasTheLengthsThatObjdumpSees) {
  if (system("objdump --version >/dev/null 2>&1") != 0) GTEST_SKIP() << "no objdump here";
  char own[4096];
  ssize_t ownBytes = readlink("/proc/self/exe", own, sizeof own - 1);
  ASSERT_GT(ownBytes, 0);
  own[ownBytes] = 0;
  for (const char* path : {static_cast<const char*>(own), "/lib/x86_64-linux-gnu/libc.so.6"}) {
    FILE* dump = popen((std::string("objdump -d -w -z -j .text '") + path + "' 2>/dev/null").c_str(), "r");
    ASSERT_NE(dump, nullptr);
    char line[512];
    size_t count = 0, unknown = 0;
    while (fgets(line, sizeof line, dump) != nullptr) {
      unsigned long address = 0;
      int at = 0;
      if (sscanf(line, " %lx:%n", &address, &at) != 1 || at == 0) continue;
      std::vector<uint8_t> code;
      const char* text = line + at;
      unsigned byte = 0;
      int step = 0;
      while (sscanf(text, " %2x%n", &byte, &step) == 1 && text[step] == ' ') {
        code.push_back(static_cast<uint8_t>(byte));
        text += step;
        if (text[1] == '\t' || (text[1] == ' ' && text[2] == ' ')) break;
      }
      std::string rest(text);
      // objdump takes these for part of the next instruction.
      if (rest.find("(bad)") != std::string::npos || rest.find("fst") != std::string::npos) continue;
      if (code.empty()) continue;
      ++count;
      auto begin = reinterpret_cast<uintptr_t>(code.data());
      Instruction instruction = read_instruction(begin, begin + code.size());
      if (instruction.op == Op::kBad) {
        ++unknown;
      } else {
        ASSERT_EQ(instruction.length, code.size()) << path << ": " << line;
      }
    }
    pclose(dump);
    if (count == 0) continue;  // not where this system keeps it
    EXPECT_GT(count, 10000u) << path;
    EXPECT_LT(unknown, count / 1000) << path;
  }
}

}  // namespace
}  // namespace mp::unwind
