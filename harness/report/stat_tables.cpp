#include <algorithm>
#include <array>
#include <charconv>

#include "harness/report/csv.hpp"
#include "harness/report/timeline_table_parts.hpp"

// Tables in the columns of sysstat 12: iostat -x -m, pidstat -u -d -r, mpstat -P ALL.
namespace kvtier {
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr std::array<std::string_view, 14> kIostatColumns{
    "timestamp_utc", "device", "r/s",    "rMB/s",   "rrqm/s",   "r_await", "rareq-sz",
    "w/s",           "wMB/s",  "wrqm/s", "w_await", "wareq-sz", "aqu-sz",  "%util"};
constexpr std::array<std::string_view, 13> kPidstatColumns{
    "timestamp_utc", "pid",      "role",     "%usr",    "%system", "%CPU",   "kB_rd/s",
    "kB_wr/s",       "minflt/s", "majflt/s", "threads", "rss_kib", "command"};
constexpr std::array<std::string_view, 10> kMpstatColumns{
    "timestamp_utc", "cpu", "%usr", "%nice", "%sys", "%iowait", "%irq", "%soft", "%steal", "%idle"};

// A first row has no step, so no rate: these tables begin with the second reading.
class IostatTable final : public PacedTable {
 public:
  IostatTable(const fs::path& run_dir, double interval_s)
      : PacedTable(interval_s), file_(run_dir, "io/iostat_x.csv", CsvHeader(kIostatColumns)) {}
  const char* source() const override { return "disk"; }
  std::vector<TableStatus> Finish() override {
    file_.Close();
    return {StatusOf(file_)};
  }

 protected:
  void See(const TimelineHead& head, const TimelineRow& row) override { disk_.See(head, row); }
  void Emit(const TimelineHead& head, MonoNs at, std::optional<double> step_s) override {
    const auto s = disk_.Take(step_s);
    if (!step_s || !disk_.total("read_ios")) return;
    file_.Append(CsvRow(kIostatColumns, {{"timestamp_utc", RowUtc(head, at)},
                                         {"device", head.kv_device},
                                         {"r/s", RoundedOrNull(s.read.ios_per_s)},
                                         {"rMB/s", RoundedOrNull(s.read.mib_per_s)},
                                         {"rrqm/s", RoundedOrNull(s.read.merges_per_s)},
                                         {"r_await", RoundedOrNull(s.read.await_ms)},
                                         {"rareq-sz", RoundedOrNull(s.read.kib_per_io)},
                                         {"w/s", RoundedOrNull(s.write.ios_per_s)},
                                         {"wMB/s", RoundedOrNull(s.write.mib_per_s)},
                                         {"wrqm/s", RoundedOrNull(s.write.merges_per_s)},
                                         {"w_await", RoundedOrNull(s.write.await_ms)},
                                         {"wareq-sz", RoundedOrNull(s.write.kib_per_io)},
                                         {"aqu-sz", RoundedOrNull(s.queue_depth)},
                                         {"%util", RoundedOrNull(s.util_pct)}}));
  }

 private:
  TableFile file_;
  DiskMeter disk_;
};

class PidstatTable final : public PacedTable {
 public:
  PidstatTable(const fs::path& run_dir, double interval_s)
      : PacedTable(interval_s), file_(run_dir, "io/pidstat_u.csv", CsvHeader(kPidstatColumns)) {}
  const char* source() const override { return "process"; }
  std::vector<TableStatus> Finish() override {
    file_.Close();
    return {StatusOf(file_)};
  }

 protected:
  void See(const TimelineHead&, const TimelineRow& row) override {
    if (row.source != "process") return;
    for (const auto& [key, text] : row.labels) {
      const auto dot = key.find('.');
      if (dot == std::string::npos) {
        processes_[key].command = text;
      } else if (key.substr(dot) == ".role") {
        processes_[key.substr(0, dot)].role = text;
      }
    }
    for (auto& [pid, p] : processes_) p.seen = false;
    for (const auto& [key, value] : row.values) {
      const auto dot = key.find('.');
      if (dot == std::string::npos) continue;
      Process& p = processes_[key.substr(0, dot)];
      const std::string name = key.substr(dot + 1);
      p.seen = true;
      if (name == "threads" || name == "rss_bytes") {
        p.gauges[name] = value;
      } else {
        p.counters[name].See(value);
      }
    }
  }
  void Emit(const TimelineHead& head, MonoNs at, std::optional<double> step_s) override {
    for (auto& entry : processes_) {
      Process& p = entry.second;
      if (!p.seen) continue;
      const bool first = !p.emitted;
      p.emitted = true;
      const auto rate = [&](const char* name, double scale) {
        const auto grown = Per(p.counters[name].Take(), step_s);
        return grown ? std::optional(*grown * scale) : std::nullopt;
      };
      const auto gauge = [&](const char* name, double scale) {
        const auto found = p.gauges.find(name);
        return found == p.gauges.end() ? std::nullopt : std::optional(found->second * scale);
      };
      const auto user = rate("cpu_user_s", 100), system = rate("cpu_system_s", 100);
      const auto both = user && system ? std::optional(*user + *system) : std::nullopt;
      const json row = {{"timestamp_utc", RowUtc(head, at)},
                        {"pid", entry.first},
                        {"role", p.role},
                        {"%usr", RoundedOrNull(user)},
                        {"%system", RoundedOrNull(system)},
                        {"%CPU", RoundedOrNull(both)},
                        {"kB_rd/s", RoundedOrNull(rate("read_bytes", 1.0 / 1024))},
                        {"kB_wr/s", RoundedOrNull(rate("write_bytes", 1.0 / 1024))},
                        {"minflt/s", RoundedOrNull(rate("minor_faults", 1))},
                        {"majflt/s", RoundedOrNull(rate("major_faults", 1))},
                        {"threads", WholeOrNull(gauge("threads", 1))},
                        {"rss_kib", WholeOrNull(gauge("rss_bytes", 1.0 / 1024))},
                        {"command", p.command}};
      if (!first) file_.Append(CsvRow(kPidstatColumns, row));
    }
  }

 private:
  struct Process {
    std::string command, role;
    bool seen = false, emitted = false;
    std::map<std::string, Counter> counters;
    std::map<std::string, double> gauges;
  };
  TableFile file_;
  std::map<std::string, Process> processes_;
};

// "all" first, then cores by number.
int CoreOrder(const std::string& name) {
  int n = -1;
  if (name.starts_with("cpu")) std::from_chars(name.data() + 3, name.data() + name.size(), n);
  return n;
}

class MpstatTable final : public PacedTable {
 public:
  MpstatTable(const fs::path& run_dir, double interval_s)
      : PacedTable(interval_s), file_(run_dir, "io/mpstat.csv", CsvHeader(kMpstatColumns)) {}
  const char* source() const override { return "cpu"; }
  std::vector<TableStatus> Finish() override {
    file_.Close();
    return {StatusOf(file_)};
  }

 protected:
  void See(const TimelineHead&, const TimelineRow& row) override {
    if (row.source != "cpu") return;
    for (const auto& [key, value] : row.values) {
      const auto dot = key.find('.');
      if (dot != std::string::npos) cores_[key.substr(0, dot)][key.substr(dot + 1)].See(value);
    }
  }
  void Emit(const TimelineHead& head, MonoNs at, std::optional<double> step_s) override {
    std::vector<std::string> names;
    for (const auto& [name, counters] : cores_) names.push_back(name);
    std::sort(names.begin(), names.end(),
              [](const auto& a, const auto& b) { return CoreOrder(a) < CoreOrder(b); });
    for (const auto& name : names) {
      const json row = RowOf(head, at, name);
      if (step_s) file_.Append(CsvRow(kMpstatColumns, row));
    }
  }

 private:
  static constexpr std::array<std::pair<const char*, const char*>, 8> kStates{
      {{"%usr", "user_s"},
       {"%nice", "nice_s"},
       {"%sys", "system_s"},
       {"%iowait", "iowait_s"},
       {"%irq", "irq_s"},
       {"%soft", "softirq_s"},
       {"%steal", "steal_s"},
       {"%idle", "idle_s"}}};

  json RowOf(const TimelineHead& head, MonoNs at, const std::string& name) {
    auto& counters = cores_[name];
    std::map<const char*, std::optional<double>> spent;
    std::optional<double> total = 0;
    for (const auto& [column, state] : kStates) {
      auto& grown = spent[column] = counters[state].Take();
      total = total && grown ? std::optional(*total + *grown) : std::nullopt;
    }
    json row = {{"timestamp_utc", RowUtc(head, at)},
                {"cpu", name.starts_with("cpu") ? name.substr(3) : name}};
    for (const auto& [column, grown] : spent) {
      row[column] = total && *total > 0 && grown ? RoundedOrNull(100 * *grown / *total) : json();
    }
    return row;
  }

  TableFile file_;
  std::map<std::string, std::map<std::string, Counter>> cores_;
};

}  // namespace

std::unique_ptr<TimelineTable> MakeIostatTable(const fs::path& run_dir,
                                               const TimelineTableOptions& o) {
  return std::make_unique<IostatTable>(run_dir, o.interval_s);
}
std::unique_ptr<TimelineTable> MakePidstatTable(const fs::path& run_dir,
                                                const TimelineTableOptions& o) {
  return std::make_unique<PidstatTable>(run_dir, o.interval_s);
}
std::unique_ptr<TimelineTable> MakeMpstatTable(const fs::path& run_dir,
                                               const TimelineTableOptions& o) {
  return std::make_unique<MpstatTable>(run_dir, o.interval_s);
}

}  // namespace kvtier
