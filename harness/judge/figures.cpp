#include "harness/judge/figures.hpp"

#include <algorithm>
#include <functional>
#include <vector>

#include <nlohmann/json.hpp>

#include "harness/judge/agreement.hpp"
#include "harness/judge/gates.hpp"

namespace kvtier {
namespace {

Reading<double> AsDouble(const Reading<std::uint64_t>& r) {
  return r.Map([](std::uint64_t v) { return static_cast<double>(v); });
}

std::optional<double> Median(std::span<const LegFigures> legs,
                             const std::function<std::optional<double>(const LegFigures&)>& of) {
  std::vector<double> values;
  for (const LegFigures& leg : legs) {
    if (const auto v = of(leg)) values.push_back(*v);
  }
  if (values.empty()) return std::nullopt;
  std::sort(values.begin(), values.end());
  return SortedQuantile(values, 0.5);
}

std::optional<double> ValueOf(const std::optional<QuantileEstimate>& e) {
  return e ? std::optional<double>(e->value) : std::nullopt;
}
std::optional<double> ValueOf(const Reading<double>& r) {
  return r.available() ? std::optional<double>(*r) : std::nullopt;
}
std::optional<double> ValueOf(const Reading<Bytes>& r) {
  return r.available() ? std::optional<double>(static_cast<double>(r->value)) : std::nullopt;
}

void Count(const LegEvidence& leg, const PhaseEvidence* headline, LegFigures& f) {
  int planned = 0;
  int ok = 0;
  for (const PhaseEvidence& phase : leg.phases) {
    const auto good = static_cast<int>(OkRecords(leg, phase.name).size());
    const int recorded =
        static_cast<int>(std::count_if(leg.records.begin(), leg.records.end(),
                                       [&](const auto& r) { return r.phase == phase.name; }));
    const int wanted = std::max(phase.planned_requests, recorded);
    planned += wanted;
    ok += good;
    if (&phase == headline) {
      f.planned = wanted;
      f.ok = good;
      f.failed = wanted - good;
    }
  }
  f.error_rate = planned > 0 ? static_cast<double>(planned - ok) / planned : 0;
}

}  // namespace

LegFigures MeasureLeg(const LegEvidence& leg) {
  LegFigures f;
  const PhaseEvidence* headline = HeadlinePhase(leg);
  Count(leg, headline, f);
  if (headline == nullptr) {
    f.os_source = "none";
    return f;
  }
  std::vector<double> ttfc;
  std::vector<double> e2e;
  double prompt_tokens = 0;
  bool usage = true;
  for (const RequestRecord* r : OkRecords(leg, headline->name)) {
    if (const auto v = r->TtfcMs()) ttfc.push_back(*v);
    if (const auto v = r->E2eMs()) e2e.push_back(*v);
    usage = usage && r->usage.has_value();
    if (r->usage) prompt_tokens += static_cast<double>(r->usage->prompt_tokens);
  }
  f.ttfc_p50 = EstimateQuantile(ttfc, 0.50);
  f.ttfc_p95 = EstimateQuantile(ttfc, 0.95);
  f.ttfc_p99 = EstimateQuantile(ttfc, 0.99);
  f.e2e_p50 = EstimateQuantile(e2e, 0.50);
  f.e2e_p95 = EstimateQuantile(e2e, 0.95);
  if (usage && f.ok > 0 && headline->duration_s > 0)
    f.prompt_tokens_per_s = prompt_tokens / headline->duration_s;
  const TierTraffic& t = headline->tiers;
  f.matched_tokens = AsDouble(t.matched_tokens);
  f.onboard_disk_blocks = AsDouble(t.onboard_g3_to_g1_blocks);
  f.onboard_host_blocks = AsDouble(t.onboard_g2_to_g1_blocks);
  f.offload_disk_blocks = AsDouble(t.offload_g2_to_g3_blocks);
  if (f.offload_disk_blocks.available()) {
    f.offload_disk_blocks = t.offload_g1_to_g3_blocks.Map(
        [&](std::uint64_t direct) { return *f.offload_disk_blocks + static_cast<double>(direct); });
  }
  f.disk_read = EngineRead(leg, *headline);
  f.disk_written = EngineWritten(leg, *headline);
  f.os_read = headline->io.WitnessRead();
  f.os_written = headline->io.WitnessWrite();
  f.os_source = headline->io.process_read.available() ? "proc_pid_io"
                : f.os_read.available()               ? "cgroup_io"
                                                      : "none";
  return f;
}

ArmFigures SummarizeArm(std::span<const LegFigures> legs) {
  ArmFigures a;
  a.legs = static_cast<int>(legs.size());
  a.ttfc_p50_ms = Median(legs, [](const LegFigures& f) { return ValueOf(f.ttfc_p50); });
  a.ttfc_p95_ms = Median(legs, [](const LegFigures& f) { return ValueOf(f.ttfc_p95); });
  a.e2e_p95_ms = Median(legs, [](const LegFigures& f) { return ValueOf(f.e2e_p95); });
  a.prompt_tokens_per_s = Median(legs, [](const LegFigures& f) { return f.prompt_tokens_per_s; });
  a.matched_tokens = Median(legs, [](const LegFigures& f) { return ValueOf(f.matched_tokens); });
  a.onboard_disk_blocks =
      Median(legs, [](const LegFigures& f) { return ValueOf(f.onboard_disk_blocks); });
  a.onboard_host_blocks =
      Median(legs, [](const LegFigures& f) { return ValueOf(f.onboard_host_blocks); });
  a.disk_read_bytes = Median(legs, [](const LegFigures& f) { return ValueOf(f.disk_read); });
  a.disk_written_bytes = Median(legs, [](const LegFigures& f) { return ValueOf(f.disk_written); });
  a.os_read_bytes = Median(legs, [](const LegFigures& f) { return ValueOf(f.os_read); });
  a.os_written_bytes = Median(legs, [](const LegFigures& f) { return ValueOf(f.os_written); });
  return a;
}

namespace {

/// Name and member of every optional figure of an arm: one list for writing and reading.
constexpr std::pair<const char*, std::optional<double> ArmFigures::*> kArmFields[] = {
    {"ttfc_p50_ms", &ArmFigures::ttfc_p50_ms},
    {"ttfc_p95_ms", &ArmFigures::ttfc_p95_ms},
    {"e2e_p95_ms", &ArmFigures::e2e_p95_ms},
    {"prompt_tokens_per_s", &ArmFigures::prompt_tokens_per_s},
    {"matched_tokens", &ArmFigures::matched_tokens},
    {"onboard_disk_blocks", &ArmFigures::onboard_disk_blocks},
    {"onboard_host_blocks", &ArmFigures::onboard_host_blocks},
    {"disk_read_bytes", &ArmFigures::disk_read_bytes},
    {"disk_written_bytes", &ArmFigures::disk_written_bytes},
    {"os_read_bytes", &ArmFigures::os_read_bytes},
    {"os_written_bytes", &ArmFigures::os_written_bytes},
};

}  // namespace

void to_json(nlohmann::json& j, const ArmFigures& a) {
  j = {{"legs", a.legs}};
  for (const auto& [name, member] : kArmFields)
    j[name] = a.*member ? nlohmann::json(*(a.*member)) : nlohmann::json();
}

void from_json(const nlohmann::json& j, ArmFigures& a) {
  a.legs = j.at("legs").get<int>();
  for (const auto& [name, member] : kArmFields) {
    const nlohmann::json& v = j.at(name);
    a.*member = v.is_null() ? std::nullopt : std::optional<double>(v.get<double>());
  }
}

}  // namespace kvtier
