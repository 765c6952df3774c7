#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace kvtier {

/// The candidate with the smallest edit distance to `word`, or empty when none is closer than half
/// of its length. For "unknown key 'pares', did you mean 'pairs'?".
std::string NearestName(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace kvtier
