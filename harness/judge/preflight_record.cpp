#include "harness/judge/preflight_record.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "harness/judge/json_fields.hpp"
#include "harness/judge/reason.hpp"

namespace kvtier {
namespace {

using nlohmann::json;

constexpr int kProbes = 2;

bool Is2xx(const std::string& status) {
  return status.size() == 3 && status[0] == '2';
}

bool AboutMetrics(const std::string& code) {
  return code == Code(Reason::kPreflightMetricsUnavailable) ||
         code == Code(Reason::kPreflightMetricsMissingCounters);
}

/// The reason of the first stage that fails by what was seen; empty when none does.
std::string FailedStage(const json& j) {
  const auto status = [&](const char* key) { return At<std::string>(j, key); };
  const std::string parse = OptionalAt<std::string>(j, "parse_target").value_or("");
  if (!Is2xx(status("health_http_status")))
    return std::string(Code(Reason::kPreflightFrontendUnhealthy));
  if (parse == "health") return std::string(Code(Reason::kPreflightParseError));
  if (!Is2xx(status("models_http_status"))) return std::string(Code(Reason::kPreflightNoModels));
  if (parse == "models") return std::string(Code(Reason::kPreflightParseError));
  if (At<int>(j, "model_count") <= 0) return std::string(Code(Reason::kPreflightNoModels));
  const std::string metrics = status("metrics_http_status");
  if (OptionalAt<std::string>(j, "tier_mode").value_or("B2") == "B0") {
    return metrics == "000" ? "" : std::string(Code(Reason::kPreflightKvbmNotOff));
  }
  if (!Is2xx(metrics)) return std::string(Code(Reason::kPreflightMetricsUnavailable));
  if (!At<std::vector<std::string>>(j, "kvbm_metrics_missing").empty() ||
      !At<bool>(j, "kvbm_metrics_ok"))
    return std::string(Code(Reason::kPreflightMetricsMissingCounters));
  return "";
}

void AddCode(PreflightRecord& r, const std::string& code) {
  if (code.empty() ||
      std::find(r.reason_codes.begin(), r.reason_codes.end(), code) != r.reason_codes.end())
    return;
  r.reason_codes.push_back(code);
}

}  // namespace

std::string PreflightRecord::Word() const {
  if (!ok) return "FAIL";
  return decision_grade ? "PASS" : "PASS_NON_DECISION_GRADE";
}

PreflightRecord JudgePreflightRecord(const json& j, Ruleset ruleset, bool allow_missing) {
  PreflightRecord r;
  r.stored_ok = At<bool>(j, "ok");
  r.reason_codes =
      OptionalAt<std::vector<std::string>>(j, "reason_codes").value_or(std::vector<std::string>());
  if (ruleset == Ruleset::kRunbook) {
    r.ok = r.stored_ok;
    r.decision_grade = r.ok && OptionalAt<bool>(j, "decision_grade").value_or(false);
    return r;
  }
  if (OptionalAt<bool>(j, "skipped").value_or(false)) {
    AddCode(r, std::string(Code(Reason::kPreflightSkipped)));
    return r;
  }
  AddCode(r, FailedStage(j));
  if (const auto probes = OptionalAt<int>(j, "probes_ok"); !probes) {
    r.notes.emplace_back("no completion was tried: a listed model need not be able to answer");
  } else if (*probes < kProbes &&
             (r.reason_codes.empty() || AboutMetrics(r.reason_codes.front()))) {
    AddCode(r, std::string(Code(Reason::kPreflightProbeFailed)));
  }
  const bool only_metrics = std::all_of(r.reason_codes.begin(), r.reason_codes.end(), AboutMetrics);
  // What the run itself tolerated stays tolerated.
  r.ok = r.reason_codes.empty() || (only_metrics && (allow_missing || r.stored_ok));
  r.decision_grade = r.reason_codes.empty();
  if (r.ok != r.stored_ok) {
    r.notes.push_back(fmt::format("the file says {}, what it saw says {}",
                                  r.stored_ok ? "ok" : "failed", r.ok ? "ok" : "failed"));
  }
  return r;
}

}  // namespace kvtier
