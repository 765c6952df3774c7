#pragma once
#include <optional>
#include <string_view>

namespace kvtier {

/// Which reading of the documented rules decides. kRunbook reproduces them as they are written,
/// known faults included, for comparison with figures of the predecessor.
enum class Ruleset { kKvtier, kRunbook };
inline std::string_view RulesetName(Ruleset r) {
  return r == Ruleset::kRunbook ? "runbook" : "kvtier";
}
inline std::optional<Ruleset> FindRuleset(std::string_view name) {
  if (name == "kvtier") return Ruleset::kKvtier;
  if (name == "runbook") return Ruleset::kRunbook;
  return std::nullopt;
}

}  // namespace kvtier
