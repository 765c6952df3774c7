#include <array>

#include "harness/report/csv.hpp"
#include "harness/report/timeline_table_parts.hpp"

// The telemetry files of the older hypothesis runners: their field names, with bytes where those
// had kB or MB, and null where those had a 0 that nobody measured. `valid` says which groups of a
// row were read. The cadence is what the timeline holds: no tool runs a second for a sample.
namespace kvtier {
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr std::array<std::string_view, 12> kDynkvColumns{"ts",
                                                         "hit_rate_host",
                                                         "hit_rate_disk",
                                                         "tier2_bytes_in",
                                                         "tier2_bytes_out",
                                                         "fetch_p50_ms",
                                                         "fetch_p95_ms",
                                                         "fetch_p99_ms",
                                                         "kv_block_size_bytes",
                                                         "tier2_bytes_in_delta",
                                                         "tier2_bytes_out_delta",
                                                         "kv_blocks_evicted_delta"};

std::optional<double> Times(std::optional<double> value, double factor) {
  return value ? std::optional(*value * factor) : std::nullopt;
}

// The GPUs of one row of the source gpu, in the order of their numbers.
struct Gpu {
  std::string name;
  std::map<std::string, double> values;
};

class GpuReadings {
 public:
  void See(const TimelineRow& row) {
    if (row.source != "gpu") return;
    for (auto& [id, gpu] : gpus_) gpu.values.clear();
    for (const auto& [key, text] : row.labels) {
      if (key.find('.') == std::string::npos) gpus_[key].name = text;
    }
    for (const auto& [key, value] : row.values) {
      const auto dot = key.find('.');
      if (dot != std::string::npos) gpus_[key.substr(0, dot)].values[key.substr(dot + 1)] = value;
    }
  }
  const std::map<std::string, Gpu>& all() const { return gpus_; }
  static std::optional<double> Of(const Gpu& gpu, const char* key) {
    const auto found = gpu.values.find(key);
    return found == gpu.values.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  std::map<std::string, Gpu> gpus_;
};

// Share of the machine's CPU time since the row before, in percent.
class CpuMeter {
 public:
  void See(const TimelineRow& row) {
    if (row.source != "cpu") return;
    for (const char* state : kStates)
      counters_[state].See(FindValue(row, std::string("all.") + state));
  }
  json Take() {
    std::map<std::string, std::optional<double>> grown;
    std::optional<double> total = 0;
    for (const char* state : kStates) {
      const auto g = grown[state] = counters_[state].Take();
      total = total && g ? std::optional(*total + *g) : std::nullopt;
    }
    const auto share = [&](const char* state) {
      return total && *total > 0 ? RoundedOrNull(Times(grown[state], 100 / *total)) : json();
    };
    return {
        {"user", share("user_s")}, {"system", share("system_s")}, {"iowait", share("iowait_s")}};
  }

 private:
  static constexpr std::array<const char*, 8> kStates{"user_s",   "nice_s", "system_s",  "idle_s",
                                                      "iowait_s", "irq_s",  "softirq_s", "steal_s"};
  std::map<std::string, Counter> counters_;
};

class SysmonTable final : public PacedTable {
 public:
  SysmonTable(const fs::path& run_dir, const TimelineTableOptions& o)
      : PacedTable(o.legacy_interval_s),
        stack_(o.stack),
        file_(run_dir, "telemetry/sysmon.jsonl") {}
  const char* source() const override { return "cpu"; }
  std::vector<TableStatus> Finish() override {
    file_.Close();
    return {StatusOf(file_)};
  }

 protected:
  void See(const TimelineHead& head, const TimelineRow& row) override {
    cpu_.See(row);
    disk_.See(head, row);
    gpus_.See(row);
    if (row.source == "memory") memory_ = row;
    if (row.source != "vmstat") return;
    for (const char* name : kVmstat) vm_[name].See(FindValue(row, name));
  }
  void Emit(const TimelineHead& head, MonoNs at, std::optional<double> step_s) override {
    json cpu = cpu_.Take(), vm = json::object();
    const auto disk = disk_.Take(step_s);
    const auto memory = [&](const char* key) { return WholeOrNull(FindValue(memory_, key)); };
    for (const char* name : kVmstat) vm[name] = WholeOrNull(vm_[name].Take());
    const json mem = {{"MemAvailable", memory("mem_available_bytes")},
                      {"Cached", memory("cached_bytes")},
                      {"SwapTotal", memory("swap_total_bytes")},
                      {"SwapFree", memory("swap_free_bytes")}};
    const json nvme = {{"rps", RoundedOrNull(disk.read.ios_per_s)},
                       {"rMBs", RoundedOrNull(disk.read.mib_per_s)},
                       {"r_await_ms", RoundedOrNull(disk.read.await_ms)},
                       {"wps", RoundedOrNull(disk.write.ios_per_s)},
                       {"wMBs", RoundedOrNull(disk.write.mib_per_s)},
                       {"w_await_ms", RoundedOrNull(disk.write.await_ms)},
                       {"aqu_sz", RoundedOrNull(disk.queue_depth)},
                       {"util_pct", RoundedOrNull(disk.util_pct)}};
    // One GPU is what the field names have room for: the first.
    const Gpu none, &first = gpus_.all().empty() ? none : gpus_.all().begin()->second;
    const json gpu = {{"util", RoundedOrNull(Times(GpuReadings::Of(first, "util_ratio"), 100))},
                      {"mem_used_bytes", WholeOrNull(GpuReadings::Of(first, "mem_used_bytes"))}};
    const json valid = {{"cpu", !cpu.at("user").is_null()},
                        {"mem", !mem.at("MemAvailable").is_null()},
                        {"nvme", !nvme.at("util_pct").is_null()},
                        {"gpu", !gpu.at("util").is_null()},
                        {"vm", !vm.at("major_faults").is_null()}};
    file_.AppendJson({{"ts", RowEpoch(head, at)},
                      {"stack", stack_.empty() ? json() : json(stack_)},
                      {"cpu", std::move(cpu)},
                      {"mem", mem},
                      {"nvme", nvme},
                      {"gpu", gpu},
                      {"vm", std::move(vm)},
                      {"valid", valid}});
  }

 private:
  static constexpr std::array<const char*, 4> kVmstat{"pages_swapped_in", "pages_swapped_out",
                                                      "page_faults", "major_faults"};
  std::string stack_;
  TableFile file_;
  CpuMeter cpu_;
  DiskMeter disk_;
  GpuReadings gpus_;
  TimelineRow memory_;
  std::map<std::string, Counter> vm_;
};

class NvmeTable final : public PacedTable {
 public:
  NvmeTable(const fs::path& run_dir, const TimelineTableOptions& o)
      : PacedTable(o.legacy_interval_s), file_(run_dir, "telemetry/nvme.jsonl") {}
  const char* source() const override { return "disk"; }
  std::vector<TableStatus> Finish() override {
    file_.Close();
    return {StatusOf(file_)};
  }

 protected:
  void See(const TimelineHead& head, const TimelineRow& row) override { disk_.See(head, row); }
  void Emit(const TimelineHead& head, MonoNs at, std::optional<double> step_s) override {
    const auto s = disk_.Take(step_s);
    const json data = {{"device", head.kv_device.empty() ? json() : json(head.kv_device)},
                       {"r_mb_s", RoundedOrNull(s.read.mib_per_s)},
                       {"w_mb_s", RoundedOrNull(s.write.mib_per_s)},
                       {"r_await_ms", RoundedOrNull(s.read.await_ms)},
                       {"w_await_ms", RoundedOrNull(s.write.await_ms)},
                       {"util_pct", RoundedOrNull(s.util_pct)},
                       {"avg_queue_depth", RoundedOrNull(s.queue_depth)}};
    // The await of a direction without an I/O is null in a valid row: there is nothing to average.
    file_.AppendJson({{"ts", RowEpoch(head, at)},
                      {"source", "nvme"},
                      {"data", data},
                      {"valid",
                       {{"throughput", s.read.mib_per_s && s.write.mib_per_s},
                        {"util_pct", s.util_pct.has_value()},
                        {"avg_queue_depth", s.queue_depth.has_value()}}}});
  }

 private:
  TableFile file_;
  DiskMeter disk_;
};

class GpuTable final : public PacedTable {
 public:
  GpuTable(const fs::path& run_dir, const TimelineTableOptions& o)
      : PacedTable(o.legacy_interval_s), file_(run_dir, "telemetry/gpu.jsonl") {}
  const char* source() const override { return "gpu"; }
  std::vector<TableStatus> Finish() override {
    file_.Close();
    return {StatusOf(file_)};
  }

 protected:
  void See(const TimelineHead&, const TimelineRow& row) override { gpus_.See(row); }
  void Emit(const TimelineHead& head, MonoNs at, std::optional<double>) override {
    json gpus = json::array(), valid = json::object();
    for (const auto& [id, gpu] : gpus_.all()) {
      const auto of = [&gpu = gpu](const char* key) { return GpuReadings::Of(gpu, key); };
      const auto used = of("mem_used_bytes"), total = of("mem_total_bytes");
      gpus.push_back({{"id", id},
                      {"name", gpu.name.empty() ? json() : json(gpu.name)},
                      {"uuid", nullptr},  // the timeline names GPUs by their number
                      {"mem_used_bytes", WholeOrNull(used)},
                      {"mem_total_bytes", WholeOrNull(total)},
                      {"mem_used_mb", RoundedOrNull(Times(used, 1.0 / 1048576))},
                      {"mem_total_mb", RoundedOrNull(Times(total, 1.0 / 1048576))},
                      {"util_pct", RoundedOrNull(Times(of("util_ratio"), 100))},
                      {"power_w", RoundedOrNull(of("power_w"))},
                      {"celsius", RoundedOrNull(of("celsius"))},
                      {"sm_mhz", RoundedOrNull(of("sm_mhz"))}});
      valid[id] = {{"memory", used && total}, {"util_pct", of("util_ratio").has_value()}};
    }
    file_.AppendJson({{"ts", RowEpoch(head, at)},
                      {"source", "gpu"},
                      {"data", {{"gpus", std::move(gpus)}}},
                      {"valid", std::move(valid)}});
  }

 private:
  TableFile file_;
  GpuReadings gpus_;
};

// Tier 0 is the device, 1 the host, 2 the SSD. Only what crosses the SSD is traffic of tier 2: the
// older collector counted host onboards and host offloads there too, which made host hits look like
// reads of the disk.
class DynkvTable final : public PacedTable {
 public:
  DynkvTable(const fs::path& run_dir, const TimelineTableOptions& o)
      : PacedTable(o.legacy_interval_s),
        block_bytes_(o.block_bytes),
        rows_(run_dir, "telemetry/dynkv.jsonl"),
        csv_(run_dir, "telemetry/dynkv_kv.csv", CsvHeader(kDynkvColumns)) {}
  const char* source() const override { return "engine"; }
  std::vector<TableStatus> Finish() override {
    rows_.Close();
    csv_.Close();
    return {StatusOf(rows_), StatusOf(csv_)};
  }

 protected:
  void See(const TimelineHead&, const TimelineRow& row) override {
    if (row.source != "engine") return;
    for (auto* c : {&to_host_, &host_to_disk_, &device_to_disk_, &from_host_, &from_disk_, &staged_,
                    &evicted_})
      c->counter.See(FindValue(row, c->key));
    host_hit_rate_ = FindValue(row, "host_hit_rate");
    disk_hit_rate_ = FindValue(row, "disk_hit_rate");
  }
  void Emit(const TimelineHead& head, MonoNs at, std::optional<double>) override {
    const json host_in = BytesOf(to_host_.counter.Take()),
               host_out = BytesOf(from_host_.counter.Take());
    // Straight to the device, or staged in host memory; an exporter may know one way only.
    const auto straight = from_disk_.counter.Take(), staged = staged_.counter.Take();
    const auto onboarded =
        straight && staged ? std::optional(*straight + *staged) : (straight ? straight : staged);
    const auto by_host = host_to_disk_.counter.Take(), direct = device_to_disk_.counter.Take();
    const json in = BytesOf(onboarded);
    // A sum with an unknown part is unknown.
    const json out = BytesOf(by_host && direct ? std::optional(*by_host + *direct) : std::nullopt);
    const json evicted = WholeOrNull(evicted_.counter.Take());
    const json size = block_bytes_ == 0 ? json() : json(block_bytes_);
    const double ts = RowEpoch(head, at);
    const auto tier = [](const json& bytes_in, const json& bytes_out) {
      return json{
          {"hits", nullptr}, {"misses", nullptr}, {"bytes_in", bytes_in}, {"bytes_out", bytes_out}};
    };
    json tier2 = tier(in, out);
    for (const char* quantile : {"fetch_p50_ms", "fetch_p95_ms", "fetch_p99_ms"})
      tier2[quantile] = nullptr;
    rows_.AppendJson({{"ts", ts},
                      {"kv_block_size_bytes", size},
                      {"tier0", tier(nullptr, nullptr)},
                      {"tier1", tier(host_in, host_out)},
                      {"tier2", std::move(tier2)},
                      {"evictions", evicted},
                      {"prefetches", nullptr},
                      {"tier2_bytes_in_delta", in},
                      {"tier2_bytes_out_delta", out},
                      {"kv_blocks_evicted_delta", evicted},
                      {"valid",
                       {{"tier0", false},
                        {"tier1", !host_in.is_null() && !host_out.is_null()},
                        {"tier2", !in.is_null() && !out.is_null()},
                        {"evictions", !evicted.is_null()},
                        {"prefetches", false}}}});
    csv_.Append(CsvRow(kDynkvColumns, {{"ts", ts},
                                       {"hit_rate_host", RoundedOrNull(host_hit_rate_)},
                                       {"hit_rate_disk", RoundedOrNull(disk_hit_rate_)},
                                       {"tier2_bytes_in", in},
                                       {"tier2_bytes_out", out},
                                       {"kv_block_size_bytes", size},
                                       {"tier2_bytes_in_delta", in},
                                       {"tier2_bytes_out_delta", out},
                                       {"kv_blocks_evicted_delta", evicted}}));
  }

 private:
  json BytesOf(std::optional<double> blocks) const {
    if (block_bytes_ == 0) return nullptr;
    return WholeOrNull(Times(blocks, static_cast<double>(block_bytes_)));
  }
  struct Named {
    const char* key;
    Counter counter{};
  };
  std::uint64_t block_bytes_;
  TableFile rows_, csv_;
  Named to_host_{"offload_g1_to_g2_blocks"}, host_to_disk_{"offload_g2_to_g3_blocks"},
      device_to_disk_{"offload_g1_to_g3_blocks"}, from_host_{"onboard_g2_to_g1_blocks"},
      from_disk_{"onboard_g3_to_g1_blocks"}, staged_{"onboard_g3_to_g2_blocks"},
      evicted_{"evicted_blocks"};
  std::optional<double> host_hit_rate_, disk_hit_rate_;
};

}  // namespace

std::unique_ptr<TimelineTable> MakeSysmonTable(const fs::path& run_dir,
                                               const TimelineTableOptions& o) {
  return std::make_unique<SysmonTable>(run_dir, o);
}
std::unique_ptr<TimelineTable> MakeNvmeTable(const fs::path& run_dir,
                                             const TimelineTableOptions& o) {
  return std::make_unique<NvmeTable>(run_dir, o);
}
std::unique_ptr<TimelineTable> MakeGpuTable(const fs::path& run_dir,
                                            const TimelineTableOptions& o) {
  return std::make_unique<GpuTable>(run_dir, o);
}
std::unique_ptr<TimelineTable> MakeDynkvTable(const fs::path& run_dir,
                                              const TimelineTableOptions& o) {
  return std::make_unique<DynkvTable>(run_dir, o);
}

}  // namespace kvtier
