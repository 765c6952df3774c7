#include "harness/judge/signals.hpp"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "harness/judge/gates.hpp"

namespace kvtier {
namespace {

using nlohmann::json;

json OrNull(const Reading<std::uint64_t>& r) {
  return r.available() ? json(*r) : json();
}

json OnboardTotal(const PhaseEvidence* phase) {
  if (phase == nullptr) return json();
  const auto& host = phase->tiers.onboard_g2_to_g1_blocks;
  const auto& disk = phase->tiers.onboard_g3_to_g1_blocks;
  return host.available() && disk.available() ? json(*host + *disk) : json();
}

json Matched(const PhaseEvidence* phase) {
  return phase == nullptr ? json() : OrNull(phase->tiers.matched_tokens);
}

json NameOrNull(const PhaseEvidence* phase) {
  return phase == nullptr ? json() : json(phase->name);
}

json Skipped(const std::string& reason, const std::string& interpretation) {
  return {{"signal", "skipped"}, {"reason", reason}, {"interpretation", interpretation}};
}

const PhaseEvidence* BaselinePhase(const LegEvidence& leg) {
  const PhaseEvidence* populate = leg.FindPhase("populate");
  return populate != nullptr ? populate : leg.FindPhase("warm_A");
}

const PhaseEvidence* PressurePhase(const LegEvidence& leg) {
  const PhaseEvidence* thrash = leg.FindPhase("thrash");
  return thrash != nullptr ? thrash : leg.FindPhase("pressure_B");
}

double ToMib(std::uint64_t bytes) {
  return std::round(static_cast<double>(bytes) / 1048576.0 * 1000) / 1000;
}

json MibOrNull(const Reading<Bytes>& r) {
  return r.available() ? json(ToMib(r->value)) : json();
}

}  // namespace

nlohmann::json RehydrateSignalKvbm(const LegEvidence& leg) {
  if (!KvbmEnabled(leg.tier))
    return Skipped("kvbm_disabled", "KVBM is off in this mode; there is nothing to read.");
  const PhaseEvidence* baseline = BaselinePhase(leg);
  const PhaseEvidence* pressure = PressurePhase(leg);
  const PhaseEvidence* replay = HeadlinePhase(leg);
  if (replay == nullptr || !replay->tiers.onboard_g3_to_g1_blocks.available() ||
      !replay->tiers.onboard_g2_to_g1_blocks.available() ||
      !replay->tiers.matched_tokens.available()) {
    return Skipped("kvbm_metrics_unavailable",
                   "The engine's counters could not be read in replay.");
  }
  const std::uint64_t disk = *replay->tiers.onboard_g3_to_g1_blocks;
  const std::uint64_t host = *replay->tiers.onboard_g2_to_g1_blocks;
  const std::uint64_t matched = *replay->tiers.matched_tokens;
  const auto some = [](const json& v) { return v.is_number() && v.get<double>() > 0; };
  std::string signal;
  std::string interpretation;
  bool reuse = true;
  if (disk > 0) {
    signal = "disk_rehydrate_detected";
    interpretation = "Blocks came from the SSD in replay.";
  } else if (host > 0) {
    signal = "host_onboard_only";
    interpretation = "Blocks came from host memory in replay, none from the SSD.";
  } else if (matched == 0) {
    signal = "no_onboard_no_reuse_signal";
    interpretation = "Nothing was matched or onboarded in replay.";
    reuse = false;
  } else if (some(OnboardTotal(pressure)) || some(OnboardTotal(baseline))) {
    signal = "onboard_outside_replay";
    interpretation = "Blocks were onboarded before replay only.";
  } else {
    signal = "no_onboard_signal";
    interpretation = "Tokens were matched, but no block was onboarded.";
  }
  return {{"signal", signal},
          {"baseline_phase", NameOrNull(baseline)},
          {"pressure_phase", NameOrNull(pressure)},
          {"replay_phase", replay->name},
          {"baseline_onboard_blocks", OnboardTotal(baseline)},
          {"warm_onboard_blocks", OnboardTotal(baseline)},
          {"pressure_onboard_blocks", OnboardTotal(pressure)},
          {"replay_onboard_blocks", disk + host},
          {"baseline_matched_tokens", Matched(baseline)},
          {"warm_matched_tokens", Matched(baseline)},
          {"pressure_matched_tokens", Matched(pressure)},
          {"replay_matched_tokens", matched},
          {"replay_onboard_blocks_h2d", host},
          {"replay_onboard_blocks_d2d", disk},
          {"reuse_gate", reuse ? "reuse_present" : "reuse_absent"},
          {"interpretation", interpretation}};
}

nlohmann::json RehydrateSignalIo(const LegEvidence& leg) {
  const PhaseEvidence* baseline = BaselinePhase(leg);
  const PhaseEvidence* pressure = PressurePhase(leg);
  const PhaseEvidence* replay = HeadlinePhase(leg);
  if (replay == nullptr || baseline == nullptr || !replay->io.device_read.available() ||
      !baseline->io.device_read.available()) {
    return Skipped("block_device_unavailable",
                   "The counters of the block device could not be read.");
  }
  const double read = static_cast<double>(replay->io.device_read->value) / 1048576.0;
  const double before = static_cast<double>(baseline->io.device_read->value) / 1048576.0;
  std::string signal = "no_clear_readback";
  if (read > std::max(1.0, 1.20 * before)) {
    signal = "possible_readback";
  } else if (read > 0) {
    signal = "weak_read_signal";
  }
  return {
      {"signal", signal},
      {"baseline_phase", baseline->name},
      {"pressure_phase", NameOrNull(pressure)},
      {"replay_phase", replay->name},
      {"baseline_read_mib", MibOrNull(baseline->io.device_read)},
      {"pressure_write_mib", pressure == nullptr ? json() : MibOrNull(pressure->io.device_write)},
      {"replay_read_mib", MibOrNull(replay->io.device_read)},
      {"interpretation", "Reads of the whole device, whoever made them: context, never proof."}};
}

nlohmann::json EvictionSignalIo(const LegEvidence& leg) {
  json signal = RehydrateSignalIo(leg);
  if (signal.contains("baseline_read_mib")) signal["warm_read_mib"] = signal["baseline_read_mib"];
  return signal;
}

std::optional<std::int64_t> CachedTokens(const LegEvidence& leg, const std::string& phase) {
  std::optional<std::int64_t> sum;
  for (const RequestRecord* r : OkRecords(leg, phase)) {
    if (r->usage && r->usage->cached_tokens) sum = sum.value_or(0) + *r->usage->cached_tokens;
  }
  return sum;
}

std::string AnsweringTier(const LegEvidence& leg, const PhaseEvidence& phase) {
  const auto some = [](const Reading<std::uint64_t>& r) { return r.available() && *r > 0; };
  const bool host = KvbmEnabled(leg.tier) && some(phase.tiers.onboard_g2_to_g1_blocks);
  const bool disk = KvbmEnabled(leg.tier) && some(phase.tiers.onboard_g3_to_g1_blocks);
  if (host && disk) return "host+disk";
  if (disk) return "disk";
  if (host) return "host";
  return CachedTokens(leg, phase.name).value_or(0) > 0 ? "device" : "none";
}

nlohmann::json ReuseSignalKvbm(const LegEvidence& leg) {
  json cached = json::object();
  json tiers = json::object();
  for (const char* name : {"reuse_1", "reuse_2", "reuse_3"}) {
    const PhaseEvidence* phase = leg.FindPhase(name);
    const auto tokens = CachedTokens(leg, name);
    cached[name] = tokens ? json(*tokens) : json();
    tiers[name] = phase == nullptr ? json() : json(AnsweringTier(leg, *phase));
  }
  json out;
  const PhaseEvidence* second = leg.FindPhase("reuse_2");
  const PhaseEvidence* third = leg.FindPhase("reuse_3");
  const auto readable = [](const PhaseEvidence* p) {
    return p != nullptr && p->tiers.matched_tokens.available();
  };
  if (!KvbmEnabled(leg.tier)) {
    out = Skipped("kvbm_disabled", "KVBM is off in this mode; the device tier decides.");
  } else if (!readable(second) && !readable(third)) {
    out = Skipped("kvbm_metrics_unavailable", "The engine's counters could not be read.");
  } else {
    const auto matched = [&](const PhaseEvidence* p) {
      return readable(p) ? *p->tiers.matched_tokens : 0;
    };
    const bool signal = matched(second) > 0 || matched(third) > 0;
    out["signal"] = signal ? "prefix_reuse_detected" : "no_prefix_reuse_signal";
    out["interpretation"] = signal ? "Repeating the prompt matched tokens in a KVBM tier."
                                   : "Repeating the prompt matched no token in a KVBM tier.";
    for (const auto& [name, p] : {std::pair{"reuse_2", second}, {"reuse_3", third}}) {
      const std::string prefix = name;
      out[prefix + "_matched_tokens"] = Matched(p);
      out[prefix + "_onboard_blocks_h2d"] =
          p == nullptr ? json() : OrNull(p->tiers.onboard_g2_to_g1_blocks);
      out[prefix + "_onboard_blocks_d2d"] =
          p == nullptr ? json() : OrNull(p->tiers.onboard_g3_to_g1_blocks);
    }
  }
  out["device_cached_tokens"] = cached;
  out["answering_tier"] = tiers;
  return out;
}

}  // namespace kvtier
