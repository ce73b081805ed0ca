// Which compilation of the arithmetic serves this processor.
#include <cstdlib>
#include <cstring>

#include "fused_math.h"

#if defined(__x86_64__)
namespace avx512 { extern const sdpo::FusedMath kFusedMath; }
namespace avx2 { extern const sdpo::FusedMath kFusedMath; }
#endif
namespace baseline { extern const sdpo::FusedMath kFusedMath; }

namespace sdpo {

// SELECTIVE_DPO_INSTRUCTIONS=avx512, avx2 or baseline names the one set that may be used: for tests, and to tell a fault of one set from others.
static const FusedMath& choose() {
#if defined(__x86_64__)
  const char* named = std::getenv("SELECTIVE_DPO_INSTRUCTIONS");
  const auto allowed = [&](const char* name) { return named == nullptr || std::strcmp(named, name) == 0; };
  __builtin_cpu_init();
  if (allowed("avx512") && __builtin_cpu_supports("avx512f")) return avx512::kFusedMath;
  if (allowed("avx2") && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return avx2::kFusedMath;
#endif
  return baseline::kFusedMath;
}

const FusedMath& fused_math() {
  static const FusedMath& chosen = choose();
  return chosen;
}

}  // namespace sdpo
