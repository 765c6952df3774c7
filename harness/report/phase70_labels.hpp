#pragma once
#include <string>

#include "harness/judge/phase70.hpp"

/// pair_order of the artifacts, read back.
namespace kvtier {

/// "B1_B2" under the modes of `setup`. Throws DataError naming the key.
LegOrder ParsePairOrder(const std::string& label, const Phase70Setup& setup);
/// "B1_B2_B0" of a block of three. Throws DataError naming the key.
ArmSequence ParsePairSequence(const std::string& label, const Phase70Setup& setup);

}  // namespace kvtier
