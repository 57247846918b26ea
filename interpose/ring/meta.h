// The meta ring: names of modules, code and marks. Many producers under one lock, no order.
#ifndef MEMPROF_RING_META_H
#define MEMPROF_RING_META_H

#include <stddef.h>
#include <stdint.h>

namespace mp::meta {

void reset(uint64_t* data, uint32_t bytes);
void after_fork_child();

// All may wait for the reader when the ring is full; after stop_recording they return at once.
// argv: the strings one after another, each closed by NUL.
void process(const char* exe, size_t exeBytes, const char* folder, size_t folderBytes, const char* argv,
             size_t argvBytes);
void module(uint32_t id, uint32_t flags, uint64_t base, uint64_t low, uint64_t high, uint64_t tick,
            const uint8_t* buildId, size_t buildIdBytes, const char* path, size_t pathBytes);
void module_gone(uint32_t id, uint64_t tick);
void code(uint32_t id, uint32_t kind, uint64_t start, uint64_t length, uint32_t isolate, const char* name,
          size_t nameBytes);
void code_lines(uint32_t id, int32_t scriptId, uint32_t entryCount, uint32_t runCount, const uint8_t* bytes,
                size_t byteCount);
// True in a signal handler that interrupted this thread in one of these: it must not call any.
bool is_writing();
// Returns the text's id, from 1.
uint32_t text(const char* text, size_t bytes);
void agent(const char* json, size_t bytes);

}  // namespace mp::meta

#endif
