#include "harness/judge/noise.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/judge/gates.hpp"

namespace kvtier {
namespace {

constexpr double kMiB = 1024.0 * 1024.0;

double AsDouble(Bytes b) {
  return static_cast<double>(b.value);
}

std::string Joined(const std::vector<std::string>& texts) {
  return fmt::format("{}", fmt::join(texts, "; "));
}

bool Watched(const HostEvidence& h) {
  return h.before.available() || h.during.available() || h.other_workers.available() ||
         h.recorder.available();
}

/// What the guards of one leg found, and what they could not see.
class LegNoise {
 public:
  LegNoise(const LegEvidence& leg, const NoiseOptions& options) : leg_(leg), options_(options) {}

  Findings Judge() {
    for (const PhaseEvidence& phase : leg_.phases) {
      phase_ = &phase;
      Phase(phase.host);
    }
    SmartThrottling();
    AddNote();
    return std::move(out_);
  }

 private:
  void Add(Reason reason, std::string detail) {
    out_.push_back(
        MakeFinding(reason, leg_.run_id, phase_ != nullptr ? phase_->name : "", std::move(detail)));
  }
  void AddIfAny(Reason reason, const std::vector<std::string>& details) {
    if (!details.empty()) Add(reason, Joined(details));
  }
  /// A reading without which a guard may not pass.
  template <class T>
  bool Sees(const char* guard, const Reading<T>& r) {
    if (!r.available()) blind_.push_back(fmt::format("{}: {}", guard, r.reason()));
    return r.available();
  }
  /// A reading that not every machine has.
  template <class T>
  bool HasSensor(const char* sensor, const Reading<T>& r) {
    if (!r.available()) sensors_.emplace(sensor, r.reason());
    return r.available();
  }

  void Phase(const HostEvidence& host) {
    blind_.clear();
    if (host.during.available()) {
      During(*host.during, host.before);
    } else {
      blind_.push_back("the phase was not watched: " + host.during.reason());
    }
    if (Sees("other workers", host.other_workers)) OtherWorkers(*host.other_workers);
    if (HasSensor("the recorder's own health", host.recorder)) Recorder(*host.recorder);
    AddIfAny(Reason::kNoiseGuardBlind, blind_);
  }

  void During(const HostWindow& w, const Reading<HostWindow>& before) {
    std::vector<std::string> io;
    if (HasSensor("the time before a phase", before) && LongEnough(*before, "before ")) {
      BackgroundIo(*before, "before the phase", io);
      DiskWaitBefore(*before, io);
    }
    const bool rates = LongEnough(w, "");
    if (Sees("background I/O", w.other_read) && Sees("background I/O", w.other_write) && rates) {
      BackgroundIo(w, "during the phase", io);
    }
    AddIfAny(Reason::kNoiseBackgroundIo, io);
    if (!io.empty() && rates) HardenIfOutmoved(w);
    if (Sees("background CPU", w.cpu_other_ratio) && Sees("CPU steal", w.cpu_steal_ratio) && rates)
      Cpu(w);
    Throttling(w);
    Swap(w);
    Memory(w, rates);
    if (Sees("clock", w.clock_step_ms) && *w.clock_step_ms > options_.clock_step_ms) {
      Add(Reason::kNoiseClockStep,
          fmt::format("the wall clock moved by {:.0f} ms against the monotonic one, allowed are "
                      "{:g} ms",
                      *w.clock_step_ms, options_.clock_step_ms));
    }
  }

  /// Where others moved more than the stack itself, the time to reload from that disk is theirs.
  void HardenIfOutmoved(const HostWindow& w) {
    if (!HasDiskTier(leg_.tier) || phase_ != HeadlinePhase(leg_)) return;
    for (const auto& r : {w.other_read, w.other_write, w.stack_read, w.stack_write}) {
      if (!r.available()) return;
    }
    const Bytes other = *w.other_read + *w.other_write;
    if (other < options_.outmoved_floor || other <= *w.stack_read + *w.stack_write) return;
    out_.back().severity = Severity::kBlocksDecision;
    out_.back().detail += "; that is more than the stack moved itself";
  }

  bool LongEnough(const HostWindow& w, const char* prefix) {
    if (w.duration_s >= options_.min_window_s) return true;
    short_.push_back(fmt::format("{}{} ({:.2f} s)", prefix, phase_->name, w.duration_s));
    return false;
  }

  void BackgroundIo(const HostWindow& w, const char* when, std::vector<std::string>& io) const {
    if (!w.other_read.available() || !w.other_write.available()) return;
    const Bytes other = *w.other_read + *w.other_write;
    const double rate = AsDouble(other) / kMiB / w.duration_s;
    double share = 1;  // of unknown traffic: all of it may be theirs
    if (w.device_read.available() && w.device_write.available()) {
      const double device = AsDouble(*w.device_read + *w.device_write);
      if (device > 0) share = AsDouble(other) / device;
    }
    if (other < options_.other_io_floor || rate <= options_.other_io_mib_per_s ||
        share <= options_.other_io_share) {
      return;
    }
    io.push_back(fmt::format("others read {} and wrote {} {} ({:.1f} MiB/s, {:.0f} % of {})",
                             FormatBytes(*w.other_read), FormatBytes(*w.other_write), when, rate,
                             share * 100, w.device.empty() ? "the device" : w.device));
  }

  /// Waiting for the disk is the run's own business once traffic runs, and before it while we write
  /// our own files; so most of what the disk moved must have been somebody else's.
  void DiskWaitBefore(const HostWindow& w, std::vector<std::string>& io) const {
    if (!io.empty() || !w.cpu_iowait_ratio.available() ||
        *w.cpu_iowait_ratio <= options_.iowait_before) {
      return;
    }
    for (const auto& r : {w.other_read, w.other_write, w.device_read, w.device_write}) {
      if (!r.available()) return;
    }
    const Bytes other = *w.other_read + *w.other_write;
    const Bytes device = *w.device_read + *w.device_write;
    if (other < 1_MiB || other.value * 2 < device.value) return;
    io.push_back(
        fmt::format("before the phase {:.0f} % of the CPU time waited for the disk, of "
                    "whose {} others moved {}",
                    *w.cpu_iowait_ratio * 100, FormatBytes(device), FormatBytes(other)));
  }

  void Cpu(const HostWindow& w) {
    const double other = *w.cpu_other_ratio;
    if (other > options_.other_cpu) {
      Add(Reason::kNoiseBackgroundCpu,
          fmt::format("others took {:.1f} % of the machine's CPU time, allowed are {:g} %",
                      other * 100, options_.other_cpu * 100));
    }
    if (*w.cpu_steal_ratio > options_.steal) {
      Add(Reason::kNoiseCpuSteal, fmt::format("{:.1f} % of the CPU time was stolen, allowed are "
                                              "{:g} %",
                                              *w.cpu_steal_ratio * 100, options_.steal * 100));
    }
  }

  void Throttling(const HostWindow& w) {
    std::vector<std::string> found;
    if (HasSensor("CPU throttle counters", w.cpu_throttle_events) && *w.cpu_throttle_events > 0) {
      found.push_back(fmt::format("the CPU was throttled {} times", *w.cpu_throttle_events));
    }
    if (HasSensor("cooling devices", w.cooling_active) && *w.cooling_active > 0) {
      found.push_back(fmt::format("{} cooling devices were at work", *w.cooling_active));
    }
    if (HasSensor("GPU throttle reasons", w.gpu_throttle_reasons) &&
        !w.gpu_throttle_reasons->empty()) {
      found.push_back(
          fmt::format("the GPU was held back by {}", fmt::join(*w.gpu_throttle_reasons, ", ")));
    }
    if (HasSensor("temperature of the KV disk", w.nvme_celsius_max) &&
        *w.nvme_celsius_max >= options_.nvme_celsius) {
      found.push_back(fmt::format("the disk reached {:.0f} degrees Celsius, the guard is {:g}",
                                  *w.nvme_celsius_max, options_.nvme_celsius));
    }
    AddIfAny(Reason::kNoiseThrottled, found);
  }

  void Swap(const HostWindow& w) {
    if (!Sees("swap", w.pages_swapped_in) || !Sees("swap", w.pages_swapped_out)) return;
    if (*w.pages_swapped_in + *w.pages_swapped_out < options_.swapped_pages) return;
    Add(Reason::kNoiseSwap,
        fmt::format("{} pages were swapped in and {} out, the guard is {}", *w.pages_swapped_in,
                    *w.pages_swapped_out, options_.swapped_pages));
  }

  void Memory(const HostWindow& w, bool rates) {
    std::vector<std::string> found;
    if (Sees("memory", w.mem_total) && Sees("memory", w.mem_available_min)) {
      const Bytes share{
          static_cast<std::uint64_t>(AsDouble(*w.mem_total) * options_.available_share)};
      const Bytes least = std::max(options_.available_floor, share);
      if (*w.mem_available_min < least) {
        found.push_back(fmt::format("{} of {} were available at the least, the guard is {}",
                                    FormatBytes(*w.mem_available_min), FormatBytes(*w.mem_total),
                                    FormatBytes(least)));
      }
    }
    if (Sees("memory", w.oom_kills) && *w.oom_kills > 0) {
      found.push_back(
          fmt::format("the kernel killed {} processes for want of memory", *w.oom_kills));
    }
    if (HasSensor("memory pressure", w.memory_stall_ratio) && rates &&
        *w.memory_stall_ratio > options_.memory_stall) {
      found.push_back(
          fmt::format("tasks waited for memory {:.1f} % of the time, allowed are {:g} %",
                      *w.memory_stall_ratio * 100, options_.memory_stall * 100));
    }
    AddIfAny(Reason::kNoiseMemoryPressure, found);
  }

  void OtherWorkers(const std::vector<OtherWorker>& workers) {
    if (workers.empty()) return;
    const OtherWorker& w = workers.front();
    Add(Reason::kNoiseOtherWorker,
        fmt::format("{} processes of somebody else, first {} ({}) with {}", workers.size(), w.pid,
                    w.cmdline, w.path));
  }

  void Recorder(const RecorderHealth& r) {
    const auto due = static_cast<double>(r.ticks_due);
    const bool late =
        r.ticks_missed > 0 && static_cast<double>(r.ticks_missed) >= options_.missed_ticks * due;
    if (!late && r.rows_dropped == 0) return;
    Add(Reason::kTelemetryMissedTicks,
        fmt::format("{} of {} readings were missed, the worst came {:.0f} ms late; {} rows were "
                    "dropped",
                    r.ticks_missed, r.ticks_due, r.worst_delay_ms, r.rows_dropped));
  }

  void SmartThrottling() {
    phase_ = nullptr;
    if (!leg_.storage.before.available() || !leg_.storage.after.available()) return;
    std::vector<std::string> found;
    const auto grew = [&](const char* what, Reading<std::uint64_t> SmartReading::*member) {
      const auto& from = (*leg_.storage.before).*member;
      const auto& to = (*leg_.storage.after).*member;
      if (from.available() && to.available() && *to > *from)
        found.push_back(fmt::format("{} grew from {} to {}", what, *from, *to));
    };
    grew("the disk's thermal throttle transitions", &SmartReading::thermal_throttle_transitions);
    grew("its minutes over the warning temperature", &SmartReading::warning_temperature_minutes);
    grew("its minutes over the critical temperature", &SmartReading::critical_temperature_minutes);
    const Reading<double>& celsius = leg_.storage.after->celsius;
    if (celsius.available() && *celsius >= options_.nvme_celsius) {
      found.push_back(
          fmt::format("the disk was at {:.0f} degrees Celsius after the leg", *celsius));
    }
    AddIfAny(Reason::kNoiseThrottled, found);
  }

  void AddNote() {
    std::vector<std::string> parts;
    for (const auto& [sensor, reason] : sensors_)
      parts.push_back(fmt::format("{}: {}", sensor, reason));
    if (!short_.empty())
      parts.push_back(fmt::format("too short to judge rates: {}", fmt::join(short_, ", ")));
    if (parts.empty()) return;
    Add(Reason::kNoiseGuardBlind, Joined(parts));
    out_.back().severity = Severity::kNote;
  }

  const LegEvidence& leg_;
  const NoiseOptions& options_;
  const PhaseEvidence* phase_ = nullptr;  // null: about the leg
  Findings out_;
  std::vector<std::string> blind_;              // of the phase
  std::map<std::string, std::string> sensors_;  // sensor -> first reason, of the leg
  std::vector<std::string> short_;
};

}  // namespace

Findings CheckNoise(const LegEvidence& leg, const NoiseOptions& options) {
  if (leg.phases.empty()) return {};
  if (std::none_of(leg.phases.begin(), leg.phases.end(),
                   [](const PhaseEvidence& p) { return Watched(p.host); })) {
    return {MakeFinding(Reason::kTelemetryOff, leg.run_id, "",
                        "no phase was watched: " + leg.phases.front().host.during.reason())};
  }
  return LegNoise(leg, options).Judge();
}

}  // namespace kvtier
