#include "line_tables.h"

#include <algorithm>

namespace mp::jit {

namespace {

constexpr size_t kPageBytes = 4096;
constexpr uint32_t kMostEntries = 1u << 20;
constexpr size_t kBytesPerEntry = sizeof(LineTable::Entry) + sizeof(uint32_t);

void use_own_page(LineTable* table) {
  table->entries = reinterpret_cast<LineTable::Entry*>(table + 1);
  table->mappedBytes = 0;
  table->capacity = static_cast<uint32_t>((kPageBytes - sizeof(LineTable)) / kBytesPerEntry);
}

bool grow(LineTable* table) {
  if (table->capacity >= kMostEntries) return false;
  size_t bytes = round_up(2 * table->capacity * kBytesPerEntry, kPageBytes);
  auto* entries = static_cast<LineTable::Entry*>(map_pages(bytes));
  if (entries == nullptr) return false;
  memcpy(entries, table->entries, table->count * sizeof(LineTable::Entry));
  if (table->mappedBytes != 0) unmap_pages(table->entries, table->mappedBytes);
  table->entries = entries;
  table->mappedBytes = bytes;
  table->capacity = static_cast<uint32_t>(bytes / kBytesPerEntry);
  return true;
}

// One record's bytes. Small, because it lies on the stack of the thread that compiles.
class Bytes {
 public:
  static constexpr size_t kMost = 2048;
  bool has_room() const { return count_ + 3 * 5 <= kMost; }
  void varint(uint32_t value) {
    while (value >= 0x80) {
      bytes_[count_++] = static_cast<uint8_t>(value | 0x80);
      value >>= 7;
    }
    bytes_[count_++] = static_cast<uint8_t>(value);
  }
  void zigzag(int32_t value) {
    varint(static_cast<uint32_t>(value) << 1 ^ static_cast<uint32_t>(value >> 31));
  }
  const uint8_t* data() const { return bytes_; }
  size_t count() const { return count_; }
  void clear() { count_ = 0; }

 private:
  uint8_t bytes_[kMost];
  size_t count_ = 0;
};

void publish_entries(LineTable* table, const LineSink& sink) {
  Bytes bytes;
  uint32_t inRecord = 0;
  LineTable::Entry last{0, 0};
  for (uint32_t i = 0; i < table->count; i++) {
    LineTable::Entry entry = table->entries[i];
    bytes.varint(entry.offset - last.offset);
    bytes.zigzag(static_cast<int32_t>(entry.position - last.position));
    last = entry;
    inRecord++;
    if (bytes.has_room() && i + 1 < table->count) continue;
    sink.publish(sink.context, inRecord, 0, bytes.data(), bytes.count());
    bytes.clear();
    inRecord = 0;
    last = {0, 0};
  }
}

void publish_runs(LineTable* table, const LineSink& sink) {
  uint32_t* positions = table->scratch();
  for (uint32_t i = 0; i < table->count; i++) positions[i] = table->entries[i].position;
  std::sort(positions, positions + table->count);
  auto count = static_cast<uint32_t>(std::unique(positions, positions + table->count) - positions);
  Bytes bytes;
  uint32_t inRecord = 0, lastPosition = 0;
  int lastLine = 0;
  uint32_t i = 0;
  while (i < count) {
    LinePlace place;
    if (!sink.place(sink.context, positions[i], &place)) return;
    // The last position on this line: most lines have few, so look near before far.
    auto isOnLine = [&](uint32_t k) {
      LinePlace other;
      return sink.place(sink.context, positions[k], &other) && other.line == place.line;
    };
    uint32_t low = i, step = 1;
    while (low + step < count && isOnLine(low + step)) {
      low += step;
      step *= 2;
    }
    uint32_t high = low + step < count ? low + step : count;  // not on the line
    while (high - low > 1) {
      uint32_t middle = low + (high - low) / 2;
      (isOnLine(middle) ? low : high) = middle;
    }
    bytes.varint(positions[i] - lastPosition);
    bytes.zigzag(place.line - lastLine);
    bytes.varint(static_cast<uint32_t>(place.column));
    lastPosition = positions[i];
    lastLine = place.line;
    inRecord++;
    i = high;
    if (bytes.has_room() && i < count) continue;
    sink.publish(sink.context, 0, inRecord, bytes.data(), bytes.count());
    bytes.clear();
    inRecord = lastPosition = 0;
    lastLine = 0;
  }
}

}  // namespace

LineTable* LineTables::begin() {
  LineTable* table;
  {
    Locked locked(lock_);
    table = free_;
    if (table != nullptr) free_ = table->next;
  }
  if (table == nullptr) {
    table = static_cast<LineTable*>(map_pages(kPageBytes));
    if (table == nullptr) return nullptr;
    use_own_page(table);
  }
  table->count = 0;
  table->isCut = false;
  return table;
}

void LineTables::add(LineTable* table, size_t offset, size_t position) {
  // The function's own entry has the offset -1.
  if (offset > INT32_MAX || position > INT32_MAX) return;
  LineTable::Entry entry{static_cast<uint32_t>(offset), static_cast<uint32_t>(position)};
  if (table->count != 0) {
    LineTable::Entry& last = table->entries[table->count - 1];
    if (last.position == entry.position || entry.offset < last.offset) return;
    if (last.offset == entry.offset) {
      last = entry;
      return;
    }
  }
  if (table->count == table->capacity && !grow(table)) {
    table->isCut = true;
    return;
  }
  table->entries[table->count++] = entry;
}

LineTable* LineTables::unlink(uintptr_t codeStart) {
  for (LineTable** at = bucket(codeStart); *at != nullptr; at = &(*at)->next) {
    LineTable* table = *at;
    if (table->codeStart != codeStart) continue;
    *at = table->next;
    waitingCount_--;
    return table;
  }
  return nullptr;
}

void LineTables::link(LineTable* table) {
  LineTable** head = bucket(table->codeStart);
  table->next = *head;
  *head = table;
  waitingCount_++;
}

void LineTables::end(LineTable* table, uintptr_t codeStart) {
  if (table->isCut || table->count == 0) return give_back(table);
  LineTable* unwanted;
  {
    Locked locked(lock_);
    unwanted = unlink(codeStart);  // of code that was never announced
    if (waitingCount_ < kMostWaiting) {
      table->codeStart = codeStart;
      link(table);
      table = nullptr;
    }
  }
  if (unwanted != nullptr) give_back(unwanted);
  if (table != nullptr) give_back(table);
}

void LineTables::move(uintptr_t from, uintptr_t to) {
  LineTable* unwanted = nullptr;
  {
    Locked locked(lock_);
    if (waitingCount_ == 0) return;
    LineTable* table = unlink(from);
    if (table == nullptr) return;
    unwanted = unlink(to);
    table->codeStart = to;
    link(table);
  }
  if (unwanted != nullptr) give_back(unwanted);
}

LineTable* LineTables::take(uintptr_t codeStart) {
  Locked locked(lock_);
  return waitingCount_ == 0 ? nullptr : unlink(codeStart);
}

void LineTables::give_back(LineTable* table) {
  if (table->mappedBytes != 0) {
    unmap_pages(table->entries, table->mappedBytes);
    use_own_page(table);
  }
  Locked locked(lock_);
  table->next = free_;
  free_ = table;
}

void publish_table(LineTable* table, const LineSink& sink) {
  publish_entries(table, sink);
  if (sink.place != nullptr) publish_runs(table, sink);
}

}  // namespace mp::jit
