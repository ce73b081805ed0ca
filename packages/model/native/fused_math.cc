// Compiled once for every instruction set, with SDPO_ISA naming it.
#include "fused_math.h"

#include "elementwise.h"
#include "row_kernels.h"
// attention.h needs the above.
#include "attention.h"

namespace SDPO_ISA {

#define SDPO_TEXT_OF(name) #name
#define SDPO_TEXT(name) SDPO_TEXT_OF(name)

extern const sdpo::FusedMath kFusedMath;
const sdpo::FusedMath kFusedMath = {
    SDPO_TEXT(SDPO_ISA), rms_norm,    rms_norm_gradient,    swiglu,    swiglu_gradient,
    token_logps,         token_logps_gradient, squared_sum, adamw, attention, attention_gradient,
};

}  // namespace SDPO_ISA
