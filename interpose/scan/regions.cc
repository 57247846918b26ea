#include "regions.h"

namespace mp::scan {
namespace {

bool before(const Span& a, const Span& b) { return a.low < b.low; }

// In place and without recursion: a heap, for there may be thousands.
void sift(Span* spans, size_t root, size_t count) {
  for (;;) {
    size_t child = 2 * root + 1;
    if (child >= count) return;
    if (child + 1 < count && before(spans[child], spans[child + 1])) ++child;
    if (!before(spans[root], spans[child])) return;
    Span other = spans[root];
    spans[root] = spans[child];
    spans[child] = other;
    root = child;
  }
}

void sort(Span* spans, size_t count) {
  for (size_t i = count / 2; i-- > 0;) sift(spans, i, count);
  for (size_t end = count; end > 1; --end) {
    Span first = spans[0];
    spans[0] = spans[end - 1];
    spans[end - 1] = first;
    sift(spans, 0, end - 1);
  }
}

}  // namespace

size_t tidy(Span* spans, size_t count) {
  sort(spans, count);
  size_t kept = 0;
  uintptr_t end = 0;
  for (size_t i = 0; i < count; ++i) {
    Span span = spans[i];
    if (span.low < end) span.low = end;
    if (span.low >= span.high) continue;
    end = span.high;
    spans[kept++] = span;
  }
  return kept;
}

}  // namespace mp::scan
