#pragma once
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "harness/judge/runbook_phase70.hpp"

/// Reading artifacts as loosely as the predecessor's scripts do; for the runbook rules alone.
namespace kvtier::runbook {

using nlohmann::json;
using Number = std::optional<double>;

inline const json kNull;

/// Null where `j` is no object or lacks the key.
inline const json& Get(const json& j, const std::string& key) {
  if (!j.is_object()) return kNull;
  const auto found = j.find(key);
  return found == j.end() ? kNull : *found;
}
inline std::string Text(const json& j) {
  return j.is_string() ? j.get<std::string>() : std::string();
}
inline bool Truthy(const json& j) {
  if (j.is_boolean()) return j.get<bool>();
  if (j.is_number()) return j.get<double>() != 0;
  return !j.is_null() && !j.empty() && !(j.is_string() && j.get_ref<const std::string&>().empty());
}
inline json OrNull(const Number& n) {
  return n ? json(*n) : json();
}
/// Counters of the replay phase as the documented chains find them; missing is 0.
struct Signals {
  double matched = 0, onboard = 0, offload = 0, hit = 0;
};

Signals SignalsOf(const json& run_summary);

}  // namespace kvtier::runbook
