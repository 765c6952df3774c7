#pragma once
#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace kvtier {

/// The three tier modes under comparison. B0: no KVBM. B1: host tier only. B2: host and SSD tier.
enum class TierMode { kB0, kB1, kB2 };

constexpr std::array<TierMode, 3> kAllTierModes{TierMode::kB0, TierMode::kB1, TierMode::kB2};

/// "B0" "B1" "B2"
std::string_view TierName(TierMode mode);
/// "off" "cpu_only" "cpu_disk", the kv_mode of the artifacts.
std::string_view KvModeName(TierMode mode);
/// Accepts every documented spelling, any case: b2, cpu_disk, cpu-disk, cpu+disk, b1, cpu_only,
/// cpu-only, cpu, b0, off, none, no_kvbm (spec/stack.md section 1).
std::optional<TierMode> FindTier(std::string_view text);
inline bool KvbmEnabled(TierMode mode) {
  return mode != TierMode::kB0;
}
inline bool HasDiskTier(TierMode mode) {
  return mode == TierMode::kB2;
}

}  // namespace kvtier
