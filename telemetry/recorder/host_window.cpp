#include "telemetry/recorder/host_window.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <functional>
#include <set>

#include <fmt/format.h>

namespace kvtier {
namespace {

using Number = Reading<double>;

Number Plus(const Number& a, const Number& b) {
  if (!a) return a;
  if (!b) return b;
  return *a + *b;
}

Number Over(const Number& part, const Number& whole, const char* nothing) {
  if (!part) return part;
  if (!whole) return whole;
  if (*whole <= 0) return Number::Unavailable(nothing);
  return *part / *whole;
}

/// a - b, not below 0: counters of different sources are not read at the same instant.
Number Rest(const Number& a, const Number& b) {
  if (!a) return a;
  if (!b) return b;
  return std::max(0.0, *a - *b);
}

Reading<std::uint64_t> Count(const Number& r) {
  return r.Map([](double v) { return static_cast<std::uint64_t>(std::llround(std::max(0.0, v))); });
}
Reading<Bytes> AsBytes(const Number& r) {
  return r.Map([](double v) { return Bytes{static_cast<std::uint64_t>(std::max(0.0, v))}; });
}

/// "nvme0" of "nvme0n1"; empty when the disk is no NVMe.
std::string ControllerOf(const std::string& device) {
  const std::size_t end = device.find_first_not_of("0123456789", 4);
  return device.starts_with("nvme") && end != std::string::npos && end > 4 ? device.substr(0, end)
                                                                           : std::string();
}

/// Cooling devices that hold nothing down: a turning fan, and an offset that the firmware set once.
bool HoldsDown(std::string type) {
  std::transform(type.begin(), type.end(), type.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return type.find("fan") == std::string::npos && type != "tcc offset";
}

/// Reasons of NVML that are somebody's setting, in force on a quiet machine too.
bool IsSetting(std::string_view reason) {
  return reason == "applications_clocks_setting" || reason == "display_clock_setting" ||
         reason == "sync_boost";
}

/// Reads one window by source and key.
class Reader {
 public:
  Reader(const RecordedWindow& window, const std::string& device)
      : stats_(window.stats),
        seconds_(static_cast<double>(window.end - window.start) / 1e9),
        device_(device) {}

  HostWindow Read() const {
    HostWindow w;
    w.duration_s = seconds_;
    w.device = device_;
    Cpu(w);
    Disk(w);
    Memory(w);
    Heat(w);
    w.clock_step_ms =
        stats_.MaxStep("clock", "wall_minus_mono_s").Map([](double s) { return s * 1000; });
    return w;
  }

 private:
  Number CpuSeconds(std::initializer_list<const char*> kinds) const {
    Number sum = 0.0;
    for (const char* kind : kinds)
      sum = Plus(sum, stats_.Delta("cpu", fmt::format("all.{}_s", kind)));
    return sum;
  }

  /// Sum of a counter over the processes of a role. One that was seen only at the window's last
  /// reading is left out: what it did counts as somebody else's, which errs towards a finding.
  Number OfProcesses(const std::function<bool(const std::string& role)>& wanted,
                     std::initializer_list<const char*> fields) const {
    std::set<std::string> pids;
    for (const std::string& key : stats_.Keys("process")) {
      const std::string pid = key.substr(0, key.find('.'));
      if (stats_.Count("process", key) > 1 && wanted(stats_.Label("process", pid + ".role")))
        pids.insert(pid);
    }
    if (pids.empty()) {
      const Number why = stats_.Delta("process", "worker");  // no such key: the source's reason
      return Number::Unavailable(
          why.reason().find("has no key") == std::string::npos
              ? why.reason()
              : "no process of this role was seen; the stack does not say which it is");
    }
    Number sum = 0.0;
    for (const std::string& pid : pids) {
      for (const char* field : fields)
        sum = Plus(sum, stats_.Delta("process", fmt::format("{}.{}", pid, field)));
    }
    return sum;
  }
  Number OfStack(std::initializer_list<const char*> fields) const {
    return OfProcesses([](const std::string& role) { return role == "worker" || role == "stack"; },
                       fields);
  }
  Number Own(std::initializer_list<const char*> fields) const {
    return OfProcesses([](const std::string& role) { return role == "self"; }, fields);
  }

  void Cpu(HostWindow& w) const {
    const Number all =
        CpuSeconds({"user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"});
    const auto ratio = [&](const Number& part) {
      return Over(part, all, "the CPU times did not move in the window");
    };
    w.cpu_busy_ratio = ratio(CpuSeconds({"user", "nice", "system", "irq", "softirq"}));
    w.cpu_iowait_ratio = ratio(CpuSeconds({"iowait"}));
    w.cpu_steal_ratio = ratio(CpuSeconds({"steal"}));
    w.cpu_stack_ratio = ratio(OfStack({"cpu_user_s", "cpu_system_s"}));
    w.cpu_own_ratio = ratio(Own({"cpu_user_s", "cpu_system_s"}));
    w.cpu_other_ratio = Rest(w.cpu_busy_ratio, Plus(w.cpu_stack_ratio, w.cpu_own_ratio));
  }

  Number OfDevice(const char* field) const {
    if (device_.empty()) return Number::Unavailable("the device of the KV cache is not known");
    return stats_.Delta("disk", fmt::format("{}.{}", device_, field));
  }

  void Disk(HostWindow& w) const {
    const Number read = OfDevice("read_bytes"), write = OfDevice("write_bytes");
    const Number stack_read = OfStack({"read_bytes"}), stack_write = OfStack({"write_bytes"});
    const Number own_read = Own({"read_bytes"}), own_write = Own({"write_bytes"});
    w.device_read = AsBytes(read);
    w.device_write = AsBytes(write);
    w.stack_read = AsBytes(stack_read);
    w.stack_write = AsBytes(stack_write);
    w.own_read = AsBytes(own_read);
    w.own_write = AsBytes(own_write);
    w.other_read = AsBytes(Rest(read, Plus(stack_read, own_read)));
    // The kernel counts a buffered write for its process when the page is made dirty, and for the
    // disk when it gets there, maybe a window later: pages that were waiting are nobody's now.
    const Number waiting =
        Plus(stats_.Change("memory", "dirty_bytes"), stats_.Change("memory", "writeback_bytes"));
    const double settled = waiting ? std::max(0.0, -*waiting) : 0.0;
    w.other_write = AsBytes(Rest(write, Plus(stack_write, own_write)).Map([&](double rest) {
      return std::max(0.0, rest - settled);
    }));
    w.read_await_ms = Over(OfDevice("read_ms"), OfDevice("read_ios"), "nothing was read");
    w.write_await_ms = Over(OfDevice("write_ms"), OfDevice("write_ios"), "nothing was written");
    const Number wall_ms = seconds_ * 1000;
    w.queue_depth = Over(OfDevice("queue_ms"), wall_ms, "the window is empty");
    w.device_busy_ratio = Over(OfDevice("busy_ms"), wall_ms, "the window is empty");
  }

  void Memory(HostWindow& w) const {
    w.mem_total = AsBytes(stats_.Max("memory", "mem_total_bytes"));
    w.mem_available_min = AsBytes(stats_.Min("memory", "mem_available_bytes"));
    w.swap_used_max = AsBytes(
        Rest(stats_.Max("memory", "swap_total_bytes"), stats_.Min("memory", "swap_free_bytes")));
    w.pages_swapped_in = Count(stats_.Delta("vmstat", "pages_swapped_in"));
    w.pages_swapped_out = Count(stats_.Delta("vmstat", "pages_swapped_out"));
    w.major_faults = Count(stats_.Delta("vmstat", "major_faults"));
    w.oom_kills = Count(stats_.Delta("vmstat", "oom_kills"));
    const auto stalled = [&](const char* what) {
      return Over(stats_.Delta("pressure", fmt::format("{}.some_us", what)), Number(seconds_ * 1e6),
                  "the window is empty");
    };
    w.cpu_stall_ratio = stalled("cpu");
    w.io_stall_ratio = stalled("io");
    w.memory_stall_ratio = stalled("memory");
  }

  /// The keys of a source that begin and end so.
  std::vector<std::string> KeysLike(const char* source, std::string_view begin,
                                    std::string_view end) const {
    std::vector<std::string> keys = stats_.Keys(source);
    std::erase_if(keys, [&](const std::string& key) {
      return !key.starts_with(begin) || !key.ends_with(end);
    });
    return keys;
  }

  Number Hottest(const char* source, const std::vector<std::string>& keys, const char* none) const {
    Number hottest = Number::Unavailable(none);
    if (keys.empty()) {
      // The source's own reason says more than ours.
      const Number whole = stats_.Max(source, "");
      if (whole.reason().find("has no key") == std::string::npos) hottest = whole;
    }
    for (const std::string& key : keys) {
      const Number max = stats_.Max(source, key);
      if (max && (!hottest || *max > *hottest)) hottest = max;
    }
    return hottest;
  }

  void Heat(HostWindow& w) const {
    w.zone_celsius_max = Hottest("thermal", KeysLike("thermal", "zone", ".celsius"),
                                 "this machine shows no thermal zone");
    const std::string controller = ControllerOf(device_);
    std::vector<std::string> nvme = KeysLike("thermal", "hwmon", ".celsius");
    std::erase_if(nvme, [&](const std::string& key) {
      const std::string chip = stats_.Label("thermal", key.substr(0, key.rfind('.')));
      return controller.empty() || (chip + " ").find(controller + " ") != 0;
    });
    w.nvme_celsius_max =
        Hottest("thermal", nvme, "the KV device is no NVMe disk that shows its temperature");
    w.gpu_celsius_max = Hottest("gpu", KeysLike("gpu", "gpu", ".celsius"), "no GPU was seen");

    const auto throttle = KeysLike("thermal", "cpu", ".throttle_count");
    Number events = throttle.empty()
                        ? Number::Unavailable("this machine counts no thermal throttling of cores")
                        : Number(0.0);
    for (const std::string& key : throttle) events = Plus(events, stats_.Delta("thermal", key));
    w.cpu_throttle_events = Count(events);

    std::uint64_t active = 0;
    const auto cooling = KeysLike("thermal", "cooling", ".state");
    for (const std::string& key : cooling) {
      const std::string type = stats_.Label("thermal", key.substr(0, key.find('.')));
      if (HoldsDown(type) && *stats_.Max("thermal", key) > 0) ++active;
    }
    w.cooling_active =
        cooling.empty()
            ? Reading<std::uint64_t>::Unavailable("this machine shows no cooling device")
            : Reading<std::uint64_t>(active);
    w.gpu_throttle_reasons = GpuThrottling();
  }

  Reading<std::vector<std::string>> GpuThrottling() const {
    const auto bits = KeysLike("gpu", "gpu", ".throttle_bits");
    if (bits.empty())
      return Reading<std::vector<std::string>>::Unavailable(
          Hottest("gpu", {}, "the GPU does not say why its clocks are held down").reason());
    std::set<std::string> reasons;
    for (const std::string& key : KeysLike("gpu", "gpu", "")) {
      const auto at = key.find(".throttle.");
      if (at == std::string::npos || *stats_.Max("gpu", key) <= 0) continue;
      std::string reason = key.substr(at + std::string_view(".throttle.").size());
      if (!IsSetting(reason)) reasons.insert(std::move(reason));
    }
    return std::vector<std::string>(reasons.begin(), reasons.end());
  }

  const WindowStats& stats_;
  double seconds_;
  std::string device_;
};

}  // namespace

HostWindow MakeHostWindow(const RecordedWindow& window, const std::string& device) {
  return Reader(window, device).Read();
}

}  // namespace kvtier
