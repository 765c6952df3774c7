#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "harness/judge/io_attribution.hpp"
#include "harness/judge/json_fields.hpp"

namespace kvtier {
namespace {

using nlohmann::json;

/// "0B", "17B", "1.50KiB" (spec/telemetry.md section 8).
std::string Human(Bytes b) {
  constexpr std::array<const char*, 3> kUnits{"KiB", "MiB", "GiB"};
  if (b.value < 1024) return fmt::format("{}B", b.value);
  double v = static_cast<double>(b.value) / 1024;
  std::size_t unit = 0;
  while (v >= 1024 && unit + 1 < kUnits.size()) {
    v /= 1024;
    ++unit;
  }
  return fmt::format("{:.2f}{}", v, kUnits[unit]);
}

std::string Human(const Reading<Bytes>& r) {
  return r.available() ? Human(*r) : "unavailable";
}

std::string Plain(const Reading<Bytes>& r) {
  return r.available() ? fmt::format("{}", r->value) : "unavailable";
}

auto Count(const IoAttributionVerdict& v, CheckStatus status) {
  return std::count_if(v.checks.begin(), v.checks.end(),
                       [&](const AttributionCheck& c) { return c.status == status; });
}

bool AnyReads(const std::vector<PidBytes>& pids) {
  return std::any_of(pids.begin(), pids.end(), [](const auto& p) { return p.read.value > 0; });
}

CheckStatus StatusFrom(const std::string& name) {
  for (const CheckStatus status : {CheckStatus::kPass, CheckStatus::kWarn, CheckStatus::kFail}) {
    if (CheckStatusName(status) == name) return status;
  }
  throw DataError("the key \"status\" holds \"" + name + "\", which is not PASS, WARN or FAIL");
}

}  // namespace

std::string_view CheckStatusName(CheckStatus status) {
  switch (status) {
    case CheckStatus::kPass:
      return "PASS";
    case CheckStatus::kWarn:
      return "WARN";
    case CheckStatus::kFail:
      return "FAIL";
  }
  return "";
}

std::string IoAttributionLine(const IoAttributionVerdict& v, const std::string& verdict_path) {
  Bytes by_pid;
  for (const PidBytes& p : v.top_pids) by_pid += p.read;
  const Reading<Bytes>& witness =
      v.evidence_method == "cgroup" ? v.replay_cgroup_read : v.replay_process_read;
  std::string line =
      fmt::format("{} io-attrib replay: block={} proc({})={} pid={} (method={})",
                  v.pass ? "PASS" : "FAIL", Human(v.replay_block_read), v.evidence_method,
                  Human(witness), Human(by_pid), v.evidence_method);
  const AttributionCheck* readers = v.Find("replay_process_pid_readers_present");
  if (readers != nullptr && readers->status == CheckStatus::kWarn) line += " WARN pid_attrib_zero";
  line += fmt::format(
      " mode={} strict={} replay_block_read={} replay_process_read={} replay_cgroup_read={} "
      "warns={} fails={}",
      v.mode, v.strict, Plain(v.replay_block_read), Plain(v.replay_process_read),
      Plain(v.replay_cgroup_read), Count(v, CheckStatus::kWarn), Count(v, CheckStatus::kFail));
  if (v.evidence_method == "cgroup") line += " note=cgroup_expected_in_containerized_runs";
  return line + " verdict=" + verdict_path;
}

int IoAttributionExitCode(const IoAttributionVerdict& verdict) {
  return verdict.pass ? 0 : 2;
}

void to_json(json& j, const IoAttributionVerdict& v) {
  j = {{"pass", v.pass},
       {"mode", v.mode},
       {"strict_replay_gate_required", v.strict},
       {"checks", json::array()},
       {"replay_phase", v.replay_phase.empty() ? json() : json(v.replay_phase)},
       {"replay_read_bytes_block", v.replay_block_read},
       {"replay_read_bytes_process_total", v.replay_process_read},
       {"replay_read_bytes_cgroup_total", v.replay_cgroup_read},
       {"process_evidence_method", v.evidence_method},
       {"per_pid_readers_available", !v.top_pids.empty()},
       {"per_pid_readers_nonzero", AnyReads(v.top_pids)},
       {"top_pids_replay", json::array()}};
  for (const AttributionCheck& c : v.checks) {
    j["checks"].push_back(
        {{"name", c.name}, {"status", CheckStatusName(c.status)}, {"detail", c.detail}});
  }
  for (const PidBytes& p : v.top_pids) {
    j["top_pids_replay"].push_back({{"pid", p.pid},
                                    {"cmdline", p.cmdline},
                                    {"read_bytes_delta", p.read},
                                    {"write_bytes_delta", p.written}});
  }
}

void from_json(const json& j, IoAttributionVerdict& v) {
  v.pass = At<bool>(j, "pass");
  v.mode = At<std::string>(j, "mode");
  v.strict = At<bool>(j, "strict_replay_gate_required");
  v.checks.clear();
  for (const json& c : At(j, "checks")) {
    v.checks.push_back({At<std::string>(c, "name"), StatusFrom(At<std::string>(c, "status")),
                        At<std::string>(c, "detail")});
  }
  v.replay_phase = OptionalAt<std::string>(j, "replay_phase").value_or("");
  v.replay_block_read = At<Reading<Bytes>>(j, "replay_read_bytes_block");
  v.replay_process_read = At<Reading<Bytes>>(j, "replay_read_bytes_process_total");
  v.replay_cgroup_read = At<Reading<Bytes>>(j, "replay_read_bytes_cgroup_total");
  v.evidence_method = At<std::string>(j, "process_evidence_method");
  v.top_pids.clear();
  for (const json& p : At(j, "top_pids_replay")) {
    PidBytes pid;
    pid.pid = At<std::int64_t>(p, "pid");
    pid.cmdline = OptionalAt<std::string>(p, "cmdline").value_or("");
    pid.read = At<Bytes>(p, "read_bytes_delta");
    pid.written = OptionalAt<Bytes>(p, "write_bytes_delta").value_or(Bytes{});
    v.top_pids.push_back(pid);
  }
}

}  // namespace kvtier
