#pragma once
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "harness/judge/ruleset.hpp"

namespace kvtier {

/// A stored preflight (spec: artifacts E6, ours or the predecessor's) judged again by what it says
/// it saw, not by what it concluded.
struct PreflightRecord {
  bool stored_ok = false;
  bool ok = false;
  bool decision_grade = false;
  std::vector<std::string> reason_codes;
  std::vector<std::string> notes;  // one sentence each

  /// "PASS", "PASS_NON_DECISION_GRADE", "FAIL"
  std::string Word() const;
  int ExitCode() const { return ok ? 0 : 1; }
};
/// By kvtier the stages are looked at again, the one-token probes where they were recorded, and a
/// preflight that was skipped does not pass; by the runbook its own `ok` and `decision_grade`
/// stand. `allow_missing` tolerates missing metrics. Throws DataError naming the key.
PreflightRecord JudgePreflightRecord(const nlohmann::json& preflight, Ruleset ruleset,
                                     bool allow_missing);

}  // namespace kvtier
