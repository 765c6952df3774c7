#include "harness/judge/phase70_washout.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "harness/judge/json_fields.hpp"

namespace kvtier {
namespace {

using nlohmann::json;

constexpr double kMiB = 1024.0 * 1024.0;

void CheckDevice(const WashoutEvidence& w, const WashoutOptions& options,
                 std::vector<std::string>& why) {
  if (!w.other_read.available() || !w.other_write.available()) {
    why.push_back("whether the disk was idle is unknown: " +
                  (w.other_read.available() ? w.other_write.reason() : w.other_read.reason()));
    return;
  }
  const Bytes other = *w.other_read + *w.other_write;
  const double rate = w.quiet_s > 0 ? static_cast<double>(other.value) / kMiB / w.quiet_s : 0;
  if (other >= options.other_io_floor && rate > options.other_io_mib_per_s) {
    why.push_back(fmt::format("others moved {} ({:.1f} MiB/s) on the disk before traffic",
                              FormatBytes(other), rate));
  }
  if (w.device_in_flight.available() && *w.device_in_flight > options.in_flight) {
    why.push_back(
        fmt::format("{:.2f} I/Os were in flight on the disk before traffic, allowed are "
                    "{:g}",
                    *w.device_in_flight, options.in_flight));
  }
}

}  // namespace

Reading<bool> IsFreshWorker(const std::vector<std::string>& before,
                            const std::vector<std::string>& now) {
  if (now.empty()) {
    return Reading<bool>::Unavailable("the stack names no worker process");
  }
  return std::none_of(now.begin(), now.end(), [&](const std::string& worker) {
    return std::find(before.begin(), before.end(), worker) != before.end();
  });
}

WashoutEvidence CompleteWashout(WashoutEvidence done, const LegEvidence& leg) {
  done.cold_at_start = leg.worker.cold_at_start;
  if (leg.phases.empty()) return done;
  const Reading<HostWindow>& before = leg.phases.front().host.before;
  if (!before.available()) {
    const std::string why = before.reason();
    done.other_read = done.other_write = Reading<Bytes>::Unavailable(why);
    done.device_in_flight = done.celsius = Reading<double>::Unavailable(why);
    return done;
  }
  done.quiet_s = before->duration_s;
  done.other_read = before->other_read;
  done.other_write = before->other_write;
  done.device_in_flight = before->queue_depth;
  done.celsius = before->nvme_celsius_max;
  return done;
}

Findings CheckWashout(const LegEvidence& leg, const std::optional<WashoutEvidence>& washout,
                      const WashoutOptions& options) {
  const auto finding = [&](const std::vector<std::string>& why) {
    return Findings{MakeFinding(Reason::kWashoutNotProven, leg.run_id, "",
                                fmt::format("{}", fmt::join(why, "; ")))};
  };
  if (leg.phases.empty()) return {};  // nothing was measured; other rules say so
  if (!washout) return finding({"the bundle holds no record of the washout"});
  const WashoutEvidence& w = *washout;
  std::vector<std::string> why;
  if (!w.fresh_worker.available()) {
    why.push_back("whether the worker is a new one is unknown: " + w.fresh_worker.reason());
  } else if (!*w.fresh_worker) {
    why.push_back(
        fmt::format("a worker of {} still serves: {}", w.after_run_id, fmt::join(w.workers, ", ")));
  }
  if (w.cold_at_start.available() && !*w.cold_at_start) {
    why.emplace_back("the tiers were not empty before traffic");
  } else if (!w.cold_at_start.available() && KvbmEnabled(leg.tier)) {
    why.push_back("whether the tiers were empty is unknown: " + w.cold_at_start.reason());
  }
  if (w.caches_dropped.available() && !*w.caches_dropped)
    why.emplace_back("the page cache was to be dropped, which the kernel refused");
  CheckDevice(w, options, why);
  if (w.celsius.available() && *w.celsius >= options.celsius) {
    why.push_back(
        fmt::format("the disk was at {:.0f} degrees before traffic, allowed are less "
                    "than {:g}",
                    *w.celsius, options.celsius));
  }
  return why.empty() ? Findings{} : finding(why);
}

void to_json(nlohmann::json& j, const WashoutEvidence& w) {
  j = {{"schema_version", 1},
       {"after_run_id", w.after_run_id.empty() ? json() : json(w.after_run_id)},
       {"done",
        {{"asked_s", w.asked_s},
         {"waited_s", w.waited_s},
         {"synced", w.synced},
         {"caches_dropped", w.caches_dropped}}},
       {"workers_before", w.workers_before},
       {"workers", w.workers},
       {"fresh_worker", w.fresh_worker},
       {"cold_at_start", w.cold_at_start},
       {"quiet_s", w.quiet_s},
       {"other_read_bytes", w.other_read},
       {"other_write_bytes", w.other_write},
       {"device_in_flight", w.device_in_flight},
       {"celsius", w.celsius}};
}

void from_json(const nlohmann::json& j, WashoutEvidence& w) {
  RequireSchema(j, "washout");
  w = WashoutEvidence();
  w.after_run_id = OptionalAt<std::string>(j, "after_run_id").value_or("");
  const json& done = At(j, "done");
  w.asked_s = At<int>(done, "asked_s");
  w.waited_s = At<double>(done, "waited_s");
  w.synced = At<bool>(done, "synced");
  w.caches_dropped = At<Reading<bool>>(done, "caches_dropped");
  w.workers_before = At<std::vector<std::string>>(j, "workers_before");
  w.workers = At<std::vector<std::string>>(j, "workers");
  w.fresh_worker = At<Reading<bool>>(j, "fresh_worker");
  w.cold_at_start = At<Reading<bool>>(j, "cold_at_start");
  w.quiet_s = At<double>(j, "quiet_s");
  w.other_read = At<Reading<Bytes>>(j, "other_read_bytes");
  w.other_write = At<Reading<Bytes>>(j, "other_write_bytes");
  w.device_in_flight = At<Reading<double>>(j, "device_in_flight");
  w.celsius = At<Reading<double>>(j, "celsius");
}

}  // namespace kvtier
