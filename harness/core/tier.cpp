#include "harness/core/tier.hpp"

#include <algorithm>
#include <cctype>

namespace kvtier {

std::string_view TierName(TierMode mode) {
  constexpr std::array<std::string_view, 3> kNames{"B0", "B1", "B2"};
  return kNames[static_cast<std::size_t>(mode)];
}

std::string_view KvModeName(TierMode mode) {
  constexpr std::array<std::string_view, 3> kNames{"off", "cpu_only", "cpu_disk"};
  return kNames[static_cast<std::size_t>(mode)];
}

std::optional<TierMode> FindTier(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const auto* s : {"b2", "cpu_disk", "cpu-disk", "cpu+disk"}) {
    if (lower == s) return TierMode::kB2;
  }
  for (const auto* s : {"b1", "cpu_only", "cpu-only", "cpu"}) {
    if (lower == s) return TierMode::kB1;
  }
  for (const auto* s : {"b0", "off", "none", "no_kvbm"}) {
    if (lower == s) return TierMode::kB0;
  }
  return std::nullopt;
}

}  // namespace kvtier
