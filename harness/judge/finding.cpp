// One thing that was found: its text, its JSON, and what a list of them comes to.
#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"
#include "harness/judge/reason.hpp"

namespace kvtier {
namespace {

using enum Severity;

constexpr std::array<std::pair<Severity, std::string_view>, 6> kSeverityNames{
    {{kInvalidatesRun, "invalid"},
     {kBlocksDecision, "blocks"},
     {kRefusesWord, "refuses_word"},
     {kLowersGrade, "lowers_grade"},
     {kSoft, "soft"},
     {kNote, "note"}}};

nlohmann::json NullIfEmpty(const std::string& s) {
  return s.empty() ? nlohmann::json() : nlohmann::json(s);
}

std::string TextOrEmpty(const nlohmann::json& j) {
  return j.is_null() ? std::string() : j.get<std::string>();
}

}  // namespace

std::string_view SeverityName(Severity severity) {
  const auto* found = std::find_if(kSeverityNames.begin(), kSeverityNames.end(),
                                   [&](const auto& row) { return row.first == severity; });
  return found->second;
}

Finding MakeFinding(Reason reason, std::string run_id, std::string phase, std::string detail) {
  return {reason, Describe(reason).severity, std::move(run_id), std::move(phase),
          std::move(detail)};
}

bool Has(const Findings& findings, Reason reason) {
  return std::any_of(findings.begin(), findings.end(),
                     [&](const Finding& f) { return f.reason == reason; });
}

bool Passes(const Findings& findings) {
  return std::none_of(findings.begin(), findings.end(),
                      [](const Finding& f) { return f.BlocksDecision(); });
}

std::vector<std::string> Codes(const Findings& findings) {
  std::set<std::string> codes;
  for (const Finding& f : findings) codes.emplace(Code(f.reason));
  return {codes.begin(), codes.end()};
}

std::string FindingText(const Finding& finding) {
  std::string where = finding.run_id;
  if (!finding.phase.empty()) where += (where.empty() ? "" : " ") + finding.phase;
  if (!where.empty()) where = " [" + where + "]";
  return fmt::format("{}{}: {}", Code(finding.reason), where, finding.detail);
}

std::string FindingsText(const Findings& findings) {
  std::string out;
  for (const Finding& f : findings) out += FindingText(f) + "\n";
  return out;
}

void to_json(nlohmann::json& j, const Finding& f) {
  j = {{"code", Code(f.reason)},
       {"severity", SeverityName(f.severity)},
       {"run_id", NullIfEmpty(f.run_id)},
       {"phase", NullIfEmpty(f.phase)},
       {"detail", f.detail}};
}

void from_json(const nlohmann::json& j, Finding& f) {
  const auto code = j.at("code").get<std::string>();
  const auto reason = FindReason(code);
  if (!reason) throw DataError("finding with the unknown reason code " + code);
  f.reason = *reason;
  const auto severity = j.at("severity").get<std::string>();
  const auto* found = std::find_if(kSeverityNames.begin(), kSeverityNames.end(),
                                   [&](const auto& row) { return row.second == severity; });
  if (found == kSeverityNames.end())
    throw DataError("finding " + code + " with the unknown severity " + severity);
  f.severity = found->first;
  f.run_id = TextOrEmpty(j.at("run_id"));
  f.phase = TextOrEmpty(j.at("phase"));
  f.detail = j.at("detail").get<std::string>();
}

}  // namespace kvtier
