#include "workloads/adapter_sequence.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/core/error.hpp"
#include "workloads/prompt_parts.hpp"

namespace kvtier {
namespace {

constexpr std::array<std::string_view, 4> kChurnNames{"sticky", "random", "round_robin",
                                                      "hot_cold"};

}  // namespace

std::string_view AdapterChurnName(AdapterChurn churn) {
  return kChurnNames[static_cast<std::size_t>(churn)];
}

AdapterChurn AdapterChurnNamed(std::string_view name) {
  const auto at = std::find(kChurnNames.begin(), kChurnNames.end(), name);
  if (at == kChurnNames.end()) {
    throw ConfigError(fmt::format("unknown adapter churn '{}': known are {}", name,
                                  fmt::join(kChurnNames, ", ")));
  }
  return static_cast<AdapterChurn>(at - kChurnNames.begin());
}

std::vector<std::string> NumberedAdapters(int count) {
  RequireInRange("adapters", count, 1, 999);
  std::vector<std::string> names;
  for (int i = 1; i <= count; ++i) names.push_back(fmt::format("adapter_{:03d}", i));
  return names;
}

AdapterSequence::AdapterSequence(AdapterOptions options)
    : o_(std::move(options)), rng_(Rng::Stream(o_.seed, "adapters")) {
  RequireInRange("adapters", static_cast<std::int64_t>(o_.adapters.size()), 1, 100'000);
  RequireInRange("hot_share_pct", o_.hot_share_pct, 0, 100);
  RequireInRange("hot_probability_pct", o_.hot_probability_pct, 0, 100);
}

const std::string& AdapterSequence::Next(int user) {
  const std::size_t all = o_.adapters.size();
  switch (o_.churn) {
    case AdapterChurn::kSticky:
      return o_.adapters[Rng::Stream(o_.seed, fmt::format("adapters/user/{}", user)).Below(all)];
    case AdapterChurn::kRoundRobin:
      return o_.adapters[cursor_++ % all];
    case AdapterChurn::kHotCold: {
      const std::size_t hot =
          std::max<std::size_t>(1, all * static_cast<std::size_t>(o_.hot_share_pct) / 100);
      const bool take_hot = rng_.Below(100) < static_cast<std::uint64_t>(o_.hot_probability_pct);
      return o_.adapters[rng_.Below(take_hot ? hot : all)];
    }
    case AdapterChurn::kRandom:
      break;
  }
  return o_.adapters[rng_.Below(all)];
}

}  // namespace kvtier
