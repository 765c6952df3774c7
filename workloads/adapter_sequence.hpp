#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "harness/core/rng.hpp"

namespace kvtier {

/// How requests are spread over LoRA adapters.
enum class AdapterChurn {
  kSticky,      // a user keeps the adapter drawn for it
  kRandom,      // any, for each request
  kRoundRobin,  // one cursor for all users
  kHotCold,     // mostly the first few, else any
};
/// "sticky", "random", "round_robin", "hot_cold".
std::string_view AdapterChurnName(AdapterChurn churn);
/// Throws ConfigError with the names.
AdapterChurn AdapterChurnNamed(std::string_view name);

struct AdapterOptions {
  std::uint64_t seed = 42;
  AdapterChurn churn = AdapterChurn::kRoundRobin;
  std::vector<std::string> adapters;  // at least one
  /// hot_cold: the first max(1, floor(share x adapters)) of them are hot; with the probability a
  /// request takes a hot one, else any of all. Both in percent.
  int hot_share_pct = 20;
  int hot_probability_pct = 70;
};

/// adapter_001, adapter_002 ...; at most 999.
std::vector<std::string> NumberedAdapters(int count);

/// The adapter of one request after the other. Deterministic in the options and the order of calls;
/// sticky depends on the user alone. The constructor throws ConfigError for options out of range.
class AdapterSequence {
 public:
  explicit AdapterSequence(AdapterOptions options);
  const std::string& Next(int user);

 private:
  AdapterOptions o_;
  Rng rng_;
  std::size_t cursor_ = 0;
};

}  // namespace kvtier
