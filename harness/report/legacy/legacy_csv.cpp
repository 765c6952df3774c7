#include <array>
#include <cmath>
#include <map>

#include "harness/core/error.hpp"
#include "harness/report/bundle.hpp"
#include "harness/report/legacy/legacy_parts.hpp"
#include "harness/report/timeline.hpp"
#include "harness/report/timeline_table_parts.hpp"

// <run>_telemetry.csv of v2.2: 21 columns a second, NA for what was not read.
namespace kvtier {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

constexpr std::array<const char*, 21> kColumns{"ms_since_t0",
                                               "vm_r",
                                               "vm_b",
                                               "vm_us",
                                               "vm_sy",
                                               "vm_id",
                                               "vm_wa",
                                               "mem_MemAvailable_kB",
                                               "mem_Cached_kB",
                                               "iostat_rps",
                                               "iostat_wps",
                                               "iostat_rMBps",
                                               "iostat_wMBps",
                                               "iostat_await_ms",
                                               "iostat_avg_rqsz",
                                               "iostat_avg_qu_sz",
                                               "iostat_util_pct",
                                               "gpu_util_pct",
                                               "gpu_mem_used_MiB",
                                               "gpu_mem_total_MiB",
                                               "ssd_temp_C"};
using LegacyCells = std::map<std::string, std::optional<double>>;

std::string CsvColumns() {
  std::string text;
  for (const char* column : kColumns) text += (text.empty() ? "" : ",") + std::string(column);
  return text + "\n";
}

std::optional<double> Scaled(std::optional<double> value, double factor) {
  return value ? std::optional(*value * factor) : std::nullopt;
}

/// Of both directions together, weighted by their I/Os; empty where no I/O ended.
std::optional<double> Blend(const DiskMeter::Step& s,
                            std::optional<double> DiskMeter::Rates::*figure) {
  double sum = 0, ios = 0;
  for (const DiskMeter::Rates& r : {s.read, s.write}) {
    if (!r.ios_per_s) return std::nullopt;
    if (r.*figure) sum += *r.ios_per_s * *(r.*figure);
    ios += *r.ios_per_s;
  }
  return ios > 0 ? std::optional(sum / ios) : std::nullopt;
}

/// Shares of the machine's CPU time in vmstat's four columns.
class VmstatMeter {
 public:
  void See(const TimelineRow& row) {
    if (row.source != "cpu") return;
    for (auto& [state, counter] : counters_)
      counter.See(FindValue(row, "all." + std::string(state)));
  }
  void Take(LegacyCells& cells) {
    std::map<std::string, std::optional<double>> grown;
    std::optional<double> total = 0;
    for (auto& [state, counter] : counters_) {
      const auto g = grown[std::string(state)] = counter.Take();
      total = total && g ? std::optional(*total + *g) : std::nullopt;
    }
    if (!total || *total <= 0) return;
    const auto share = [&](std::initializer_list<const char*> states) {
      double sum = 0;
      for (const char* state : states) sum += *grown[state];
      return 100 * sum / *total;
    };
    cells["vm_us"] = share({"user_s", "nice_s"});
    cells["vm_sy"] = share({"system_s", "irq_s", "softirq_s"});
    cells["vm_id"] = share({"idle_s"});
    cells["vm_wa"] = share({"iowait_s"});
  }

 private:
  std::map<std::string, Counter> counters_{{"user_s", {}},    {"nice_s", {}},   {"system_s", {}},
                                           {"idle_s", {}},    {"iowait_s", {}}, {"irq_s", {}},
                                           {"softirq_s", {}}, {"steal_s", {}}};
};

/// The sensor of the KV disk's controller, which says its name in its label.
class SsdSensor {
 public:
  void See(const TimelineHead& head, const TimelineRow& row) {
    if (row.source != "thermal") return;
    for (const auto& [key, label] : row.labels) {
      const std::string chip = label.substr(0, label.find(' '));
      const bool ours = chip.starts_with("nvme") && head.kv_device.starts_with(chip);
      if (ours && (key_.empty() || label.ends_with("Composite"))) key_ = key;
    }
    if (!key_.empty()) celsius_ = FindValue(row, key_ + ".celsius");
  }
  std::optional<double> celsius() const { return celsius_; }

 private:
  std::string key_;
  std::optional<double> celsius_;
};

struct RunningMean {
  double sum = 0;
  std::uint64_t n = 0;
  void Add(std::optional<double> value) {
    if (!value) return;
    sum += *value;
    ++n;
  }
  std::optional<double> Mean() const {
    return n == 0 ? std::nullopt : std::optional(sum / static_cast<double>(n));
  }
};

class TelemetryCsv final : public PacedTable {
 public:
  TelemetryCsv(const fs::path& out, const std::string& name)
      : PacedTable(1.0), file_(out, name, CsvColumns()) {}
  const char* source() const override { return "cpu"; }
  std::vector<TableStatus> Finish() override {
    file_.Close();
    return {StatusOf(file_)};
  }
  LegacyAverages Averages() const {
    return {.io_wait_pct = Mean("vm_wa"),
            .queue_size = Mean("iostat_avg_qu_sz"),
            .gpu_util_pct = Mean("gpu_util_pct"),
            .read_await_ms = read_await_.Mean(),
            .reads_per_s = Mean("iostat_rps")};
  }
  /// Columns that are NA in every row.
  std::vector<std::string> BlindColumns() const {
    std::vector<std::string> blind;
    for (const char* column : kColumns) {
      const auto found = means_.find(column);
      if (found == means_.end() || found->second.n == 0) blind.emplace_back(column);
    }
    return blind;
  }

 protected:
  void See(const TimelineHead& head, const TimelineRow& row) override {
    vm_.See(row);
    disk_.See(head, row);
    ssd_.See(head, row);
    if (row.source == "memory") memory_ = row;
    if (row.source == "gpu") gpu_ = row;
  }
  void Emit(const TimelineHead&, MonoNs at, std::optional<double> step_s) override {
    if (!t0_) t0_ = at;
    LegacyCells cells;
    cells["ms_since_t0"] = static_cast<double>((at - *t0_) / 1'000'000);
    vm_.Take(cells);
    const double kib = 1.0 / 1024, mib = kib / 1024;
    cells["mem_MemAvailable_kB"] = Scaled(FindValue(memory_, "mem_available_bytes"), kib);
    cells["mem_Cached_kB"] = Scaled(FindValue(memory_, "cached_bytes"), kib);
    const DiskMeter::Step s = disk_.Take(step_s);
    cells["iostat_rps"] = s.read.ios_per_s;
    cells["iostat_wps"] = s.write.ios_per_s;
    cells["iostat_rMBps"] = s.read.mib_per_s;
    cells["iostat_wMBps"] = s.write.mib_per_s;
    cells["iostat_await_ms"] = Blend(s, &DiskMeter::Rates::await_ms);
    cells["iostat_avg_rqsz"] = Scaled(Blend(s, &DiskMeter::Rates::kib_per_io), 2);  // of 512 B
    cells["iostat_avg_qu_sz"] = s.queue_depth;
    cells["iostat_util_pct"] = s.util_pct;
    cells["gpu_util_pct"] = Scaled(FindValue(gpu_, "gpu0.util_ratio"), 100);
    cells["gpu_mem_used_MiB"] = Scaled(FindValue(gpu_, "gpu0.mem_used_bytes"), mib);
    cells["gpu_mem_total_MiB"] = Scaled(FindValue(gpu_, "gpu0.mem_total_bytes"), mib);
    cells["ssd_temp_C"] = ssd_.celsius();
    read_await_.Add(s.read.await_ms);
    std::string line;
    for (const char* column : kColumns) {
      const std::optional<double> value = cells[column];
      means_[column].Add(value);
      const json rounded =
          value && std::floor(*value) == *value ? WholeOrNull(value) : RoundedOrNull(value);
      line += (line.empty() ? "" : ",") + (rounded.is_null() ? "NA" : rounded.dump());
    }
    file_.Append(line + "\n");
  }

 private:
  std::optional<double> Mean(const char* column) const {
    const auto found = means_.find(column);
    return found == means_.end() ? std::nullopt : found->second.Mean();
  }
  TableFile file_;
  std::optional<MonoNs> t0_;
  VmstatMeter vm_;
  DiskMeter disk_;
  SsdSensor ssd_;
  TimelineRow memory_, gpu_;
  std::map<std::string, RunningMean> means_;
  RunningMean read_await_;
};

std::string WhyBlind(const std::string& column) {
  if (column == "vm_r" || column == "vm_b")
    return "the recorder does not count runnable and blocked tasks";
  if (column.starts_with("gpu_")) return "no reading of a GPU in the timeline";
  if (column == "ssd_temp_C") return "no temperature of the KV disk in the timeline";
  return "no reading of it in the timeline";
}

}  // namespace

LegacyAverages ExportTelemetryCsv(LegacyJob& job) {
  const std::string name = job.name + "_telemetry.csv";
  const fs::path timeline = job.run_dir / bundle_files::kTimeline;
  if (!fs::exists(timeline)) {
    job.NotWritten(name, "the run was made without telemetry");
    return {};
  }
  TelemetryCsv table(job.out, name);
  ReadTimeline(timeline,
               [&](const TimelineHead& head, const TimelineRow& row) { table.Take(head, row); });
  const TableStatus status = table.Finish().front();
  if (!status.written) {
    job.NotWritten(name, "the timeline has no reading of the CPU");
    return {};
  }
  job.Written(name, status.rows);
  for (const std::string& column : table.BlindColumns()) job.Gap(name, column, WhyBlind(column));
  return table.Averages();
}

}  // namespace kvtier
