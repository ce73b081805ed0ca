/**
 * C++ that the engine's installation compiles beside tfjs-node-gpu's own binding. TensorFlow writes notes to standard error
 * at two moments, and no setting of its own stops them: while its library loads, and when a device starts.
 */

/** Linked into the binding: from its loading on, TensorFlow reports errors only. */
export const QUIET_LOG_SOURCE = `#include "absl/log/globals.h"

static const bool quiet = (absl::SetMinLogLevel(absl::LogSeverityAtLeast::kError), true);
`;

/**
 * A module of its own, loaded before the binding. It loads TensorFlow's framework library from the folder it lies
 * in, with standard error turned away for that moment: the note comes from the library's static initialisers,
 * before any code of ours could set a level. A failure is left for the binding to report.
 * FRAMEWORK is the library's path below that folder.
 */
export const PRELOAD_SOURCE = `#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include <string>

extern "C" __attribute__((visibility("default"))) void* napi_register_module_v1(void*, void* exports) {
  Dl_info self;
  if (dladdr(reinterpret_cast<void*>(&napi_register_module_v1), &self) == 0) return exports;
  std::string path(self.dli_fname);
  path.replace(path.rfind('/') + 1, std::string::npos, FRAMEWORK);
  const int away = open("/dev/null", O_WRONLY | O_CLOEXEC);
  const int held = fcntl(2, F_DUPFD_CLOEXEC, 3);
  if (away >= 0 && held >= 0) {
    dup2(away, 2);
    dlopen(path.c_str(), RTLD_LAZY | RTLD_LOCAL);
    dup2(held, 2);
  }
  if (away >= 0) close(away);
  if (held >= 0) close(held);
  return exports;
}
`;
