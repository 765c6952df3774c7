#include "harness/report/report_machine.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "harness/core/units.hpp"
#include "harness/report/markdown.hpp"

namespace kvtier {
namespace {

// Cells of a table whose unread ones are NA; says below it why, each reason once.
class Cells {
 public:
  template <class T, class Format>
  std::string Of(const std::string& column, const Reading<T>& r, Format&& format) {
    if (r.available()) return format(*r);
    Note(column, r.reason());
    return "NA";
  }
  std::string Size(const std::string& column, const Reading<Bytes>& r) {
    return Of(column, r, [](Bytes b) { return FormatBytes(b); });
  }
  std::string Percent(const std::string& column, const Reading<double>& r) {
    return Of(column, r, [](double v) { return fmt::format("{:.1f} %", 100 * v); });
  }
  std::string Number(const std::string& column, const Reading<double>& r, int places,
                     const char* unit = "") {
    return Of(column, r, [&](double v) { return fmt::format("{:.{}f}{}", v, places, unit); });
  }
  std::string Reasons() const {
    std::string out;
    for (const auto& [reason, columns] : reasons_) {
      std::string list;
      for (const auto& c : columns) list += (list.empty() ? "" : ", ") + c;
      out += fmt::format("- NA in {}: {}\n", list, reason);
    }
    return out;
  }

 private:
  void Note(const std::string& column, const std::string& reason) {
    auto at = std::find_if(reasons_.begin(), reasons_.end(),
                           [&](const auto& entry) { return entry.first == reason; });
    if (at == reasons_.end()) at = reasons_.insert(at, {reason, {}});
    auto& columns = at->second;
    if (std::find(columns.begin(), columns.end(), column) == columns.end())
      columns.push_back(column);
  }
  std::vector<std::pair<std::string, std::vector<std::string>>> reasons_;
};

struct Heat {
  const char* where;
  const Reading<double>* celsius;
};

// The hottest sensor that could be read, and which it is.
std::string Hottest(Cells& cells, const HostWindow& w) {
  const Heat* hottest = nullptr;
  const Heat all[] = {
      {"zone", &w.zone_celsius_max}, {"SSD", &w.nvme_celsius_max}, {"GPU", &w.gpu_celsius_max}};
  for (const auto& h : all) {
    if (h.celsius->available() && (hottest == nullptr || **h.celsius > **hottest->celsius))
      hottest = &h;
  }
  if (hottest == nullptr) return cells.Number("hottest", w.zone_celsius_max, 0);
  return fmt::format("{:.0f} C ({})", **hottest->celsius, hottest->where);
}

std::vector<std::string> MachineRow(Cells& cells, const PhaseEvidence& phase) {
  if (!phase.host.during.available()) {
    std::vector<std::string> row(11, "NA");
    row[0] = phase.name;
    cells.Of("all of " + phase.name, phase.host.during, [](const auto&) { return ""; });
    return row;
  }
  const HostWindow& w = *phase.host.during;
  return {phase.name,
          cells.Size("other read", w.other_read),
          cells.Size("other written", w.other_write),
          cells.Percent("other CPU", w.cpu_other_ratio),
          cells.Percent("iowait", w.cpu_iowait_ratio),
          cells.Number("read await", w.read_await_ms, 2, " ms"),
          cells.Number("write await", w.write_await_ms, 2, " ms"),
          cells.Number("queue depth", w.queue_depth, 2),
          Hottest(cells, w),
          fmt::format("{} / {} / {}", cells.Percent("stalled CPU", w.cpu_stall_ratio),
                      cells.Percent("stalled I/O", w.io_stall_ratio),
                      cells.Percent("stalled memory", w.memory_stall_ratio)),
          cells.Size("memory left", w.mem_available_min)};
}

std::string RecorderNotes(const LegEvidence& leg) {
  std::string out;
  for (const auto& p : leg.phases) {
    if (p.host.other_workers.available()) {
      for (const auto& o : *p.host.other_workers) {
        out += fmt::format("- {}: process {} (`{}`) is no part of the stack and holds {} open\n",
                           p.name, o.pid, o.cmdline, o.path);
      }
    }
    if (!p.host.recorder.available()) continue;
    const RecorderHealth& r = *p.host.recorder;
    if (r.ticks_missed > 0 || r.rows_dropped > 0) {
      out += fmt::format("- {}: the recorder missed {} of {} readings and dropped {} rows\n",
                         p.name, r.ticks_missed, r.ticks_due, r.rows_dropped);
    }
  }
  return out;
}

// The one reason why no phase has a window; empty when one has, or reasons differ.
std::string NothingRecorded(const LegEvidence& leg) {
  std::string reason;
  for (const auto& p : leg.phases) {
    if (p.host.during.available()) return "";
    if (!reason.empty() && reason != p.host.during.reason()) return "";
    reason = p.host.during.reason();
  }
  return reason;
}

// NVMe counts data in units of 1000 x 512 bytes (NVMe base specification, log page 02h).
constexpr std::uint64_t kDataUnit = 512'000;

Reading<Bytes> Grown(const StorageEvidence& s, Reading<std::uint64_t> SmartReading::*units) {
  for (const auto* side : {&s.before, &s.after}) {
    if (!side->available()) return Reading<Bytes>::Unavailable(side->reason());
    if (!((**side).*units).available())
      return Reading<Bytes>::Unavailable(((**side).*units).reason());
  }
  const std::uint64_t from = *((*s.before).*units), to = *((*s.after).*units);
  if (to < from) return Reading<Bytes>::Unavailable("the counter of the disk went backwards");
  return Bytes{(to - from) * kDataUnit};
}

template <class T>
Reading<T> Of(const Reading<SmartReading>& smart, Reading<T> SmartReading::*member) {
  if (!smart.available()) return Reading<T>::Unavailable(smart.reason());
  return (*smart).*member;
}

std::string OrUnknown(const std::string& text) {
  return text.empty() ? "unknown" : text;
}

}  // namespace

std::string MachineSection(const LegEvidence& leg) {
  std::string out = "## Machine during the run\n\n";
  if (leg.phases.empty()) return out + "No phase was run.\n\n";
  if (const std::string why = NothingRecorded(leg); !why.empty())
    return out + "Not recorded: " + why + ".\n\n";
  Cells cells;
  std::vector<std::vector<std::string>> rows;
  for (const auto& p : leg.phases) rows.push_back(MachineRow(cells, p));
  out +=
      "Other is what neither the stack nor kvtier did; I/O and times are of the disk that holds "
      "the KV cache; stalled is\nthe share of time in which some task waited for CPU / I/O / "
      "memory.\n\n";
  out += MarkdownTable(
      {"phase", "other read", "other written", "other CPU", "iowait", "read await", "write await",
       "queue depth", "hottest", "stalled CPU / I/O / memory", "memory left"},
      rows);
  const std::string below = cells.Reasons() + RecorderNotes(leg);
  return out + (below.empty() ? "" : "\n" + below) + "\n";
}

std::string StorageSection(const LegEvidence& leg) {
  const StorageEvidence& s = leg.storage;
  if (s.identity.device.empty()) return "";
  Cells cells;
  const auto both = [&](const char* what, auto member, const char* unit) {
    const auto text = [&](const auto& smart) {
      return cells.Of(what, Of(smart, member),
                      [&](const auto& v) { return fmt::format("{}{}", v, unit); });
    };
    const std::string before = text(s.before), after = text(s.after);
    return before == after ? before : before + " -> " + after;
  };
  const auto& i = s.identity;
  std::string out = "## Storage\n\n";
  out += MarkdownTable(
      {"what", "value"},
      {{"device", i.device},
       {"model", OrUnknown(i.model)},
       {"firmware", OrUnknown(i.firmware)},
       {"serial", OrUnknown(i.serial)},
       {"size", cells.Size("size", i.size)},
       {"PCIe", OrUnknown(i.pcie_link)},
       {"temperature", both("temperature", &SmartReading::celsius, " C")},
       {"life used", both("life used", &SmartReading::percentage_used, " %")},
       {"read in this leg, by the disk",
        cells.Size("read in this leg", Grown(s, &SmartReading::data_units_read))},
       {"written in this leg, by the disk",
        cells.Size("written in this leg", Grown(s, &SmartReading::data_units_written))},
       {"media errors", both("media errors", &SmartReading::media_errors, "")},
       {"throttle transitions",
        both("throttle transitions", &SmartReading::thermal_throttle_transitions, "")},
       {"failed captures",
        fmt::format("{} before, {} after", s.capture_errors_before, s.capture_errors_after)}});
  const std::string reasons = cells.Reasons();
  return out + (reasons.empty() ? "" : "\n" + reasons) + "\n";
}

std::string IoAttributionSection(const LegEvidence& leg) {
  if (!leg.io_attribution) return "";
  const IoAttributionReport& r = *leg.io_attribution;
  std::string out = "## I/O attribution\n\n";
  if (!r.available) {
    out += fmt::format("Not available: {}.\n", r.error.empty() ? "no reason was given" : r.error);
  } else {
    Cells cells;
    std::vector<std::vector<std::string>> rows;
    for (const auto& p : r.phases) {
      const auto direct = [](const std::vector<FileObservation>& files) {
        const auto n = std::count_if(files.begin(), files.end(),
                                     [](const FileObservation& f) { return f.direct_io; });
        return fmt::format("{} ({} with O_DIRECT)", files.size(), n);
      };
      rows.push_back(
          {p.phase, cells.Size("device read", p.block_read),
           cells.Size("worker read", p.process_read), cells.Size("cgroup read", p.cgroup_read),
           cells.Size("device written", p.block_written),
           cells.Size("worker written", p.process_written), cells.Of("KV files", p.files, direct)});
    }
    out += fmt::format("Disk {}, KV cache in `{}`.\n\n", OrUnknown(r.device), r.kvbm_disk_path);
    out += MarkdownTable({"phase", "device read", "worker read", "cgroup read", "device written",
                          "worker written", "KV files"},
                         rows);
    const std::string reasons = cells.Reasons();
    if (!reasons.empty()) out += "\n" + reasons;
  }
  if (!r.capture_errors.empty()) out += "\nCapture errors:\n\n";
  for (const auto& e : r.capture_errors) out += fmt::format("- {}\n", e);
  return out + "\n";
}

}  // namespace kvtier
