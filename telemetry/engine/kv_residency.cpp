#include "telemetry/engine/kv_residency.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"

namespace kvtier {
namespace {

using nlohmann::json;
using Blocks = std::unordered_set<std::uint64_t>;

constexpr std::array<KvMedium, 3> kTiers{KvMedium::kDevice, KvMedium::kHost, KvMedium::kDisk};
constexpr std::size_t kExamples = 8;

std::string Hex(std::uint64_t hash) {
  return fmt::format("{:016x}", hash);
}

/// The tiers as the events say.
class Rebuilt {
 public:
  explicit Rebuilt(KvResidencyReport& report) : report_(report) {}

  void Apply(const KvEventBatch& batch) {
    for (const KvEvent& event : batch.events) {
      ++report_.events;
      if (const auto* stored = std::get_if<KvStored>(&event))
        Store(*stored);
      else if (const auto* removed = std::get_if<KvRemoved>(&event))
        Remove(*removed);
      else
        Clear();
    }
  }
  const Blocks& Of(KvMedium tier) const { return held_.at(static_cast<std::size_t>(tier)); }
  std::uint64_t unknown_parents() const { return unknown_parents_; }

 private:
  Blocks& Held(KvMedium tier) { return held_.at(static_cast<std::size_t>(tier)); }
  KvTierResidency& Tier(KvMedium tier) { return report_.tiers[std::string(StorageTierName(tier))]; }

  void Store(const KvStored& e) {
    if (e.parent_hash && !ever_.contains(*e.parent_hash)) ++unknown_parents_;
    for (const std::uint64_t hash : e.block_hashes) {
      ever_.insert(hash);
      ++Tier(e.medium).stored;
      if (!Held(e.medium).insert(hash).second) ++Tier(e.medium).stored_present;
    }
  }
  void Remove(const KvRemoved& e) {
    for (const std::uint64_t hash : e.block_hashes) {
      ++Tier(e.medium).removed;
      if (Held(e.medium).erase(hash) == 0) ++Tier(e.medium).removed_absent;
    }
  }
  void Clear() {
    for (const KvMedium tier : kKvMedia) {
      if (!Held(tier).empty()) Tier(tier).removed += Held(tier).size();
      Held(tier).clear();
    }
  }

  KvResidencyReport& report_;
  std::array<Blocks, 4> held_;
  Blocks ever_;
  std::uint64_t unknown_parents_ = 0;
};

std::vector<std::uint64_t> Difference(const Blocks& these, const Blocks& without) {
  std::vector<std::uint64_t> rest;
  for (const std::uint64_t hash : these) {
    if (!without.contains(hash)) rest.push_back(hash);
  }
  std::sort(rest.begin(), rest.end());
  return rest;
}

std::vector<std::string> Examples(const std::vector<std::uint64_t>& hashes) {
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < std::min(hashes.size(), kExamples); ++i)
    texts.push_back(Hex(hashes[i]));
  return texts;
}

const Blocks& Of(const KvStoreTruth& truth, KvMedium tier) {
  if (tier == KvMedium::kHost) return truth.host;
  return tier == KvMedium::kDisk ? truth.disk : truth.device;
}

class Judge {
 public:
  explicit Judge(const KvResidencyInputs& inputs) : in_(inputs), rebuilt_(report_) {
    for (const KvMedium tier : kTiers) Tier(tier).store_resident = StoreUnseen();
  }

  KvResidencyReport Report() {
    Rebuild();
    if (report_.lost_batches > 0) {
      Find("EVENTS_LOST", {},
           fmt::format("{} of {} batches cannot be had any more", report_.lost_batches,
                       report_.lost_batches + report_.batches));
    } else {
      Protocol();
      Store();
      Numbers();
    }
    report_.verdict = !report_.findings.empty() ? "disagree" : in_.store ? "agree" : "unseen";
    return std::move(report_);
  }

 private:
  Reading<std::uint64_t> StoreUnseen() const {
    return Reading<std::uint64_t>::Unavailable(in_.store ? "the events have losses"
                                                         : in_.store.reason());
  }
  KvTierResidency& Tier(KvMedium tier) { return report_.tiers[std::string(StorageTierName(tier))]; }
  void Find(std::string code, std::string_view tier, std::string detail) {
    report_.findings.push_back({std::move(code), std::string(tier), std::move(detail)});
  }
  void Unchecked(std::string what) { report_.unchecked.push_back(std::move(what)); }

  void Rebuild() {
    report_.gaps = in_.log.gaps;
    report_.lost_batches = in_.log.lost_batches;
    for (const HeardKvBatch& heard : in_.log.batches) {
      if (in_.store && heard.sequence >= in_.store->next_sequence) {
        later_ = true;
        break;
      }
      ++report_.batches;
      rebuilt_.Apply(heard.batch);
    }
    if (in_.store && report_.batches + report_.lost_batches < in_.store->next_sequence)
      report_.lost_batches = in_.store->next_sequence - report_.batches;
    for (const KvMedium tier : kTiers) Tier(tier).resident = rebuilt_.Of(tier).size();
  }

  void Protocol() {
    for (const auto& [name, tier] : report_.tiers) {
      if (tier.removed_absent > 0)
        Find("REMOVED_TWICE", name,
             fmt::format("{} of {} removals were of blocks that this tier did not have",
                         tier.removed_absent, tier.removed));
      if (tier.stored_present > 0)
        Find("STORED_TWICE", name,
             fmt::format("{} of {} stored blocks were there already", tier.stored_present,
                         tier.stored));
    }
    if (rebuilt_.unknown_parents() > 0)
      Find("PARENT_UNKNOWN", {},
           fmt::format("{} stored runs continue a block of which no event spoke",
                       rebuilt_.unknown_parents()));
  }

  void Store() {
    if (!in_.store) return Unchecked("blocks against the store: " + in_.store.reason());
    for (const KvMedium medium : kTiers) {
      KvTierResidency& tier = Tier(medium);
      const Blocks& store = Of(*in_.store, medium);
      tier.store_resident = static_cast<std::uint64_t>(store.size());
      const auto extra = Difference(rebuilt_.Of(medium), store);
      const auto missing = Difference(store, rebuilt_.Of(medium));
      tier.only_in_events = extra.size();
      tier.only_in_store = missing.size();
      tier.examples_only_in_events = Examples(extra);
      tier.examples_only_in_store = Examples(missing);
      if (!extra.empty())
        Find("ONLY_IN_EVENTS", StorageTierName(medium),
             fmt::format("{} blocks, {} among them, which the store does not hold", extra.size(),
                         Hex(extra.front())));
      if (!missing.empty())
        Find("ONLY_IN_STORE", StorageTierName(medium),
             fmt::format("{} blocks, {} among them, of which no event spoke", missing.size(),
                         Hex(missing.front())));
    }
  }

  std::optional<double> Metric(const std::string& name) const {
    const auto it = in_.counters.metrics.find(name);
    return it == in_.counters.metrics.end() ? std::nullopt : std::optional(it->second);
  }

  void Numbers() {
    if (!in_.counters.success || in_.counters.skipped)
      return Unchecked("counters: " +
                       (in_.counters.error.empty() ? "there are none" : in_.counters.error));
    if (later_) return Unchecked("counters: events went on after the store was asked");
    if (!in_.log.batches.empty() && in_.log.batches.front().sequence != 0)
      return Unchecked("counters: they count from the start of the worker, the events do not");
    if (Metric("kvtier_ref_offloads_pending").value_or(0) > 0)
      return Unchecked("counters: offloads were pending");
    Occupancy();
    Offloads();
    Evictions();
  }

  void Occupancy() {
    const bool running = Metric("kvtier_ref_requests_running").value_or(0) > 0;
    for (const auto& [medium, gauge] :
         {std::pair(KvMedium::kDevice, "kvtier_ref_device_used_blocks"),
          std::pair(KvMedium::kHost, "kvtier_ref_host_used_blocks"),
          std::pair(KvMedium::kDisk, "kvtier_ref_disk_used_blocks")}) {
      const auto used = Metric(gauge);
      if (!used) {
        Unchecked(fmt::format("occupancy: there is no {}", gauge));
        continue;
      }
      const auto resident = static_cast<double>(rebuilt_.Of(medium).size());
      const bool nameless = running && medium == KvMedium::kDevice;
      if (nameless ? *used < resident : *used != resident)
        Find("OCCUPANCY_DISAGREES", StorageTierName(medium),
             fmt::format("{} says {:.0f}, the events leave {:.0f}", gauge, *used, resident));
    }
  }

  /// Every block that a tier stores is one offload; an offload may store nothing (the tier had the
  /// block) and may fail (the block is removed again).
  void Offloads() {
    const auto to_host = Metric("kvbm_offload_blocks_d2h");
    const auto via_host = Metric("kvbm_offload_blocks_h2d");
    const auto direct = Metric("kvbm_offload_blocks_d2d");
    if (!to_host || !via_host || !direct)
      return Unchecked("offloads: kvbm_offload_blocks_* are not all there");
    const auto host = static_cast<double>(Tier(KvMedium::kHost).stored);
    if (*to_host < host)
      Find("OFFLOADS_DISAGREE", StorageTierName(KvMedium::kHost),
           fmt::format("kvbm_offload_blocks_d2h is {:.0f}, the events stored {:.0f} blocks",
                       *to_host, host));
    const auto disk = static_cast<double>(Tier(KvMedium::kDisk).stored);
    const double written = *via_host + *direct;
    const auto failed = Metric("kvtier_ref_failed_offloads");
    const auto skipped = Metric("kvtier_ref_skipped_offloads");
    const bool too_few = disk < written + failed.value_or(0);
    const bool too_many = failed && skipped && disk > written + *failed + *skipped;
    if (too_few || too_many)
      Find("OFFLOADS_DISAGREE", StorageTierName(KvMedium::kDisk),
           fmt::format("kvbm_offload_blocks_h2d and _d2d are {:.0f}, {:.0f} failed, the events "
                       "stored {:.0f} blocks",
                       written, failed.value_or(0), disk));
  }

  void Evictions() {
    for (const auto& [medium, name] : {std::pair(KvMedium::kDevice, "kvtier_ref_device_evictions"),
                                       std::pair(KvMedium::kHost, "kvtier_ref_host_evictions"),
                                       std::pair(KvMedium::kDisk, "kvtier_ref_disk_evictions")}) {
      const auto evicted = Metric(name);
      if (!evicted) {
        Unchecked(fmt::format("evictions: there is no {}", name));
        continue;
      }
      // What fails on its way to or from a lower tier goes without being evicted.
      double other = 0;
      if (medium != KvMedium::kDevice) {
        for (const char* failure : {"kvtier_ref_failed_onboards", "kvtier_ref_failed_offloads",
                                    "kvtier_ref_skipped_offloads"})
          other += Metric(failure).value_or(0);
      }
      const auto removed = static_cast<double>(Tier(medium).removed);
      if (removed < *evicted || removed > *evicted + other)
        Find(
            "EVICTIONS_DISAGREE", StorageTierName(medium),
            fmt::format("{} is {:.0f}, the events removed {:.0f} blocks", name, *evicted, removed));
    }
  }

  const KvResidencyInputs& in_;
  KvResidencyReport report_;
  Rebuilt rebuilt_;
  bool later_ = false;
};

Blocks ParseTier(const json& tiers, KvMedium medium) {
  const std::string name(StorageTierName(medium));
  if (!tiers.contains(name) || !tiers[name].is_array())
    throw ProtocolError(fmt::format("/kv_residency: tiers.{} is no array", name));
  Blocks blocks;
  for (const json& block : tiers[name]) {
    const json* text =
        block.is_object() && block.contains("block_hash") ? &block["block_hash"] : nullptr;
    std::uint64_t hash = 0;
    bool good = text != nullptr && text->is_string();
    if (good) {
      const auto& hex = text->get_ref<const std::string&>();
      const auto [end, error] = std::from_chars(hex.data(), hex.data() + hex.size(), hash, 16);
      good = error == std::errc() && end == hex.data() + hex.size() && hex.size() == 16;
    }
    if (!good)
      throw ProtocolError(fmt::format(
          "/kv_residency: a block of tiers.{} has no block_hash of 16 hex digits", name));
    blocks.insert(hash);
  }
  return blocks;
}

}  // namespace

KvStoreTruth ParseKvStoreTruth(std::string_view text) {
  const json j = json::parse(
      text,
      [](int depth, json::parse_event_t, json&) {
        if (depth > 16) throw ProtocolError("/kv_residency: nested too deep");
        return true;
      },
      false);
  if (!j.is_object() || j.value("schema_version", json()) != 1)
    throw ProtocolError("/kv_residency: not a JSON object with schema_version 1");
  if (!j.contains("next_sequence") || !j["next_sequence"].is_number_unsigned())
    throw ProtocolError("/kv_residency: next_sequence is no whole number");
  if (!j.contains("tiers") || !j["tiers"].is_object())
    throw ProtocolError("/kv_residency: tiers is no object");
  KvStoreTruth truth;
  truth.next_sequence = j["next_sequence"].get<std::uint64_t>();
  truth.device = ParseTier(j["tiers"], KvMedium::kDevice);
  truth.host = ParseTier(j["tiers"], KvMedium::kHost);
  truth.disk = ParseTier(j["tiers"], KvMedium::kDisk);
  return truth;
}

KvResidencyReport JudgeKvResidency(const KvResidencyInputs& inputs) {
  return Judge(inputs).Report();
}

void to_json(json& j, const KvResidencyReport& report) {
  json tiers = json::object();
  for (const auto& [name, t] : report.tiers) {
    tiers[name] = {{"stored", t.stored},
                   {"removed", t.removed},
                   {"removed_absent", t.removed_absent},
                   {"stored_present", t.stored_present},
                   {"resident", t.resident},
                   {"store_resident", t.store_resident},
                   {"only_in_events", t.only_in_events},
                   {"only_in_store", t.only_in_store},
                   {"examples_only_in_events", t.examples_only_in_events},
                   {"examples_only_in_store", t.examples_only_in_store}};
  }
  json findings = json::array();
  for (const auto& f : report.findings)
    findings.push_back({{"code", f.code}, {"tier", f.tier}, {"detail", f.detail}});
  j = {{"schema_version", report.schema_version},
       {"verdict", report.verdict},
       {"batches", report.batches},
       {"events", report.events},
       {"lost_batches", report.lost_batches},
       {"gaps", report.gaps},
       {"tiers", tiers},
       {"findings", findings},
       {"unchecked", report.unchecked}};
}

KvResidencyReport KvResidencyFromJson(const json& j, const std::string& file) {
  try {
    KvResidencyReport r;
    j.at("schema_version").get_to(r.schema_version);
    if (r.schema_version != 1)
      throw DataError(
          fmt::format("{}: schema_version is {}, this program reads 1", file, r.schema_version));
    j.at("verdict").get_to(r.verdict);
    j.at("batches").get_to(r.batches);
    j.at("events").get_to(r.events);
    j.at("lost_batches").get_to(r.lost_batches);
    j.at("gaps").get_to(r.gaps);
    for (const auto& [name, t] : j.at("tiers").items()) {
      KvTierResidency& tier = r.tiers[name];
      t.at("stored").get_to(tier.stored);
      t.at("removed").get_to(tier.removed);
      t.at("removed_absent").get_to(tier.removed_absent);
      t.at("stored_present").get_to(tier.stored_present);
      t.at("resident").get_to(tier.resident);
      t.at("store_resident").get_to(tier.store_resident);
      t.at("only_in_events").get_to(tier.only_in_events);
      t.at("only_in_store").get_to(tier.only_in_store);
      t.at("examples_only_in_events").get_to(tier.examples_only_in_events);
      t.at("examples_only_in_store").get_to(tier.examples_only_in_store);
    }
    for (const json& f : j.at("findings"))
      r.findings.push_back({f.at("code").get<std::string>(), f.at("tier").get<std::string>(),
                            f.at("detail").get<std::string>()});
    j.at("unchecked").get_to(r.unchecked);
    return r;
  } catch (const json::exception& e) {
    throw DataError(fmt::format("{}: {}", file, e.what()));
  }
}

}  // namespace kvtier
