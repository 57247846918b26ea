// The session's folder, as src/record/session-folder.ts makes it where there is plenty of room.
#ifndef MEMPROF_LAUNCH_SESSION_H
#define MEMPROF_LAUNCH_SESSION_H

#include <limits.h>
#include <stdint.h>

namespace launch {

struct Session {
  char folder[PATH_MAX];
  int lock = -1;  // close-on-exec
};

// False: not enough room here, or no right to it; nothing is left behind.
bool make_session(uint32_t flags, Session* session);
void remove_session(Session* session);

}  // namespace launch

#endif
