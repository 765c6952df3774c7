#include <array>
#include <set>

#include "harness/report/csv.hpp"
#include "harness/report/timeline_table_parts.hpp"

// The tables of spec/artifacts.md A12: cumulative counters with the growth since the row before.
namespace kvtier {
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr std::array<std::string_view, 11> kBlockColumns{"timestamp_utc",
                                                         "device",
                                                         "read_ios_total",
                                                         "write_ios_total",
                                                         "read_bytes_total",
                                                         "write_bytes_total",
                                                         "read_bytes_delta",
                                                         "write_bytes_delta",
                                                         "read_mib_delta",
                                                         "write_mib_delta",
                                                         "source"};
constexpr std::array<std::string_view, 11> kProcessColumns{"timestamp_utc",
                                                           "pid",
                                                           "cmdline",
                                                           "selection_mode",
                                                           "read_bytes_total",
                                                           "write_bytes_total",
                                                           "read_bytes_delta",
                                                           "write_bytes_delta",
                                                           "syscr_total",
                                                           "syscw_total",
                                                           "source"};

// The first row has nothing to differ from, which A12 writes as 0; a reset stays empty.
std::optional<double> DeltaOf(Counter& counter) {
  const bool first = !counter.taken_before();
  const auto grown = counter.Take();
  return first && counter.total() ? 0.0 : grown;
}

std::optional<double> Mib(std::optional<double> bytes) {
  return bytes ? std::optional(*bytes / 1048576) : std::nullopt;
}

// Written once, under both of its names.
std::vector<TableStatus> CloseWithCopy(TableFile& file, const fs::path& run_dir,
                                       const std::string& copy) {
  file.Close();
  TableStatus first = StatusOf(file), second = first;
  second.path = copy;
  if (first.written)
    fs::copy_file(run_dir / first.path, run_dir / copy, fs::copy_options::overwrite_existing);
  return {first, second};
}

class BlockTable final : public PacedTable {
 public:
  BlockTable(const fs::path& run_dir, double interval_s)
      : PacedTable(interval_s),
        run_dir_(run_dir),
        file_(run_dir, "io/block_stat_timeline.csv", CsvHeader(kBlockColumns)) {}
  const char* source() const override { return "disk"; }
  std::vector<TableStatus> Finish() override {
    return CloseWithCopy(file_, run_dir_, "io/iostat.csv");
  }

 protected:
  void See(const TimelineHead& head, const TimelineRow& row) override {
    if (row.source != "disk") return;
    const std::string prefix = head.kv_device + ".";
    read_ios_ = FindValue(row, prefix + "read_ios");
    write_ios_ = FindValue(row, prefix + "write_ios");
    read_.See(FindValue(row, prefix + "read_bytes"));
    write_.See(FindValue(row, prefix + "write_bytes"));
  }
  void Emit(const TimelineHead& head, MonoNs at, std::optional<double>) override {
    if (!read_.total() && !write_.total()) return;
    const auto read = DeltaOf(read_), written = DeltaOf(write_);
    file_.Append(CsvRow(kBlockColumns, {{"timestamp_utc", RowUtc(head, at)},
                                        {"device", head.kv_device},
                                        {"read_ios_total", WholeOrNull(read_ios_)},
                                        {"write_ios_total", WholeOrNull(write_ios_)},
                                        {"read_bytes_total", WholeOrNull(read_.total())},
                                        {"write_bytes_total", WholeOrNull(write_.total())},
                                        {"read_bytes_delta", WholeOrNull(read)},
                                        {"write_bytes_delta", WholeOrNull(written)},
                                        {"read_mib_delta", RoundedOrNull(Mib(read))},
                                        {"write_mib_delta", RoundedOrNull(Mib(written))},
                                        {"source", "procfs_sys_block_stat"}}));
  }

 private:
  fs::path run_dir_;
  TableFile file_;
  std::optional<double> read_ios_, write_ios_;
  Counter read_, write_;
};

// Processes of the stack; our own I/O is in pidstat_u.csv.
class ProcessTable final : public PacedTable {
 public:
  ProcessTable(const fs::path& run_dir, double interval_s)
      : PacedTable(interval_s),
        run_dir_(run_dir),
        file_(run_dir, "io/proc_io_timeline.csv", CsvHeader(kProcessColumns)) {}
  const char* source() const override { return "process"; }
  std::vector<TableStatus> Finish() override {
    return CloseWithCopy(file_, run_dir_, "io/pidstat.csv");
  }

 protected:
  void See(const TimelineHead&, const TimelineRow& row) override {
    if (row.source != "process") return;
    for (const auto& [key, text] : row.labels) {
      const auto dot = key.find('.');
      if (dot == std::string::npos) {
        processes_[key].cmdline = text;
      } else if (key.substr(dot) == ".role") {
        processes_[key.substr(0, dot)].own = text == "self";
      }
    }
    for (auto& [pid, p] : processes_) p.seen = false;  // one that ended has no row
    for (const auto& [key, value] : row.values) {
      const auto dot = key.find('.');
      if (dot == std::string::npos) continue;
      Process& p = processes_[key.substr(0, dot)];
      const std::string name = key.substr(dot + 1);
      if (name == "read_bytes") p.read.See(value);
      if (name == "write_bytes") p.write.See(value);
      if (name == "syscr") p.syscr = value;
      if (name == "syscw") p.syscw = value;
      p.seen = p.seen || name == "read_bytes" || name == "write_bytes";
    }
  }
  void Emit(const TimelineHead& head, MonoNs at, std::optional<double>) override {
    for (auto& [pid, p] : processes_) {
      if (!p.seen || p.own) continue;
      file_.Append(CsvRow(kProcessColumns, {{"timestamp_utc", RowUtc(head, at)},
                                            {"pid", pid},
                                            {"cmdline", p.cmdline},
                                            {"selection_mode", "process_tree"},
                                            {"read_bytes_total", WholeOrNull(p.read.total())},
                                            {"write_bytes_total", WholeOrNull(p.write.total())},
                                            {"read_bytes_delta", WholeOrNull(DeltaOf(p.read))},
                                            {"write_bytes_delta", WholeOrNull(DeltaOf(p.write))},
                                            {"syscr_total", WholeOrNull(p.syscr)},
                                            {"syscw_total", WholeOrNull(p.syscw)},
                                            {"source", "procfs_io"}}));
    }
  }

 private:
  struct Process {
    std::string cmdline;
    bool own = false, seen = false;
    Counter read, write;
    std::optional<double> syscr, syscw;
  };
  fs::path run_dir_;
  TableFile file_;
  std::map<std::string, Process> processes_;
};

// What A12 calls a mark; empty for marks of our own.
struct Boundary {
  const char* label = nullptr;
  std::string phase, side;
};
Boundary BoundaryOf(const std::string& mark) {
  if (mark == "run_start") return {"run_start", "", "start"};
  if (mark == "run_end") return {"run_end", "", "end"};
  if (mark.starts_with("before_")) return {"phase_start", mark.substr(7), "start"};
  if (mark.starts_with("after_")) return {"phase_end", mark.substr(6), "end"};
  return {};
}

// meminfo_snapshots.jsonl and vmstat_snapshots.jsonl: the kernel's names, one row a mark.
class SnapshotTable final : public TimelineTable {
 public:
  SnapshotTable(const fs::path& run_dir, const std::string& source)
      : memory_(source == "memory"),
        file_(run_dir, memory_ ? "io/meminfo_snapshots.jsonl" : "io/vmstat_snapshots.jsonl") {}
  const char* source() const override { return memory_ ? "memory" : "vmstat"; }
  std::vector<TableStatus> Finish() override {
    file_.Close();
    return {StatusOf(file_)};
  }
  void Take(const TimelineHead& head, const TimelineRow& row) override {
    if (row.source == source()) last_ = row;
    if (row.source != "mark") return;
    const Boundary b = BoundaryOf(row.mark);
    if (b.label != nullptr) Write(head, row.at, b);
    last_.reset();  // the next mark brings its own reading
  }

 private:
  void Write(const TimelineHead& head, MonoNs at, const Boundary& b) {
    constexpr std::array<std::pair<const char*, const char*>, 4> kMeminfo{
        {{"Dirty", "dirty_bytes"},
         {"Writeback", "writeback_bytes"},
         {"Cached", "cached_bytes"},
         {"Buffers", "buffers_bytes"}}};
    constexpr std::array<std::pair<const char*, const char*>, 4> kVmstat{
        {{"pgfault", "page_faults"},
         {"pgmajfault", "major_faults"},
         {"pgpgin", "pgpgin_bytes"},
         {"pgpgout", "pgpgout_bytes"}}};
    json values = json::object();
    bool all = true;
    for (const auto& [name, key] : memory_ ? kMeminfo : kVmstat) {
      auto value = last_ ? FindValue(*last_, key) : std::nullopt;
      all = all && value;
      // The kernel counts these in KiB.
      if (value && std::string_view(key).ends_with("_bytes")) value = *value / 1024;
      values[name] = WholeOrNull(value);
    }
    std::string error;
    if (!last_) {
      error = std::string("the timeline has no reading of ") + source() + " before this mark";
    } else if (!all) {
      error = "the reading lacks a figure";
      for (const auto& [key, reason] : last_->unavailable)
        error += "; " + (key.empty() ? std::string(source()) : key) + ": " + reason;
    }
    file_.AppendJson({{"timestamp_utc", RowUtc(head, at)},
                      {"label", b.label},
                      {"phase", b.phase.empty() ? json() : json(b.phase)},
                      {"boundary", b.side},
                      {"success", all},
                      {"error", error.empty() ? json() : json(error)},
                      {memory_ ? "values_kib" : "values", std::move(values)}});
  }

  bool memory_;
  TableFile file_;
  std::optional<TimelineRow> last_;
};

}  // namespace

std::unique_ptr<TimelineTable> MakeBlockTable(const fs::path& run_dir,
                                              const TimelineTableOptions& o) {
  return std::make_unique<BlockTable>(run_dir, o.interval_s);
}
std::unique_ptr<TimelineTable> MakeProcessTable(const fs::path& run_dir,
                                                const TimelineTableOptions& o) {
  return std::make_unique<ProcessTable>(run_dir, o.interval_s);
}
std::unique_ptr<TimelineTable> MakeSnapshotTable(const fs::path& run_dir,
                                                 const std::string& source) {
  return std::make_unique<SnapshotTable>(run_dir, source);
}

}  // namespace kvtier
