#include "harness/report/timeline_tables.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/core/error.hpp"
#include "harness/report/bundle.hpp"
#include "harness/report/sample_leg.hpp"
#include "harness/report/sample_schemas.hpp"
#include "harness/report/schema_check.hpp"
#include "harness/report/timeline.hpp"

namespace kvtier {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// A run folder whose timeline begins at mono 0, 2025-11-22T01:45:10 UTC.
class Recording {
 public:
  explicit Recording(const std::string& name) : dir_(sample::Scratch("tables_" + name)) {
    TimelineHead head;
    head.anchor.wall =
        std::chrono::system_clock::time_point(std::chrono::milliseconds(1'763'775'910'000));
    head.sources = {{"disk", std::chrono::milliseconds(100)},
                    {"cpu", std::chrono::milliseconds(100)},
                    {"gpu", std::chrono::milliseconds(1000)}};
    head.kv_device = "nvme0n1";
    text_ = TimelineHeadLine(head) + "\n";
  }
  Recording& Row(double at_s, const std::string& source, std::map<std::string, double> values,
                 std::map<std::string, std::string> labels = {}) {
    TimelineRow row;
    row.at = static_cast<MonoNs>(at_s * 1e9);
    row.source = source;
    row.values = std::move(values);
    row.labels = std::move(labels);
    return Add(row);
  }
  Recording& Blind(double at_s, const std::string& source, const std::string& reason) {
    TimelineRow row;
    row.at = static_cast<MonoNs>(at_s * 1e9);
    row.source = source;
    row.unavailable = {{"", reason}};
    return Add(row);
  }
  Recording& Mark(double at_s, const std::string& label) {
    TimelineRow row;
    row.at = static_cast<MonoNs>(at_s * 1e9);
    row.source = "mark";
    row.mark = label;
    return Add(row);
  }
  std::vector<TableStatus> Derive(const TimelineTableOptions& options = {}) {
    WriteFileAtomic(Prepared() / bundle_files::kTimeline, text_);
    return WriteTimelineTables(dir_, options);
  }
  // Lines without their line end, which must be CRLF in a CSV.
  std::vector<std::string> Csv(const std::string& name) const {
    const std::string text = ReadFile(dir_ / name);
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < text.size();) {
      const auto end = text.find("\r\n", at);
      if (end == std::string::npos) {
        ADD_FAILURE() << name << " has a line without CRLF";
        break;
      }
      lines.push_back(text.substr(at, end - at));
      at = end + 2;
    }
    return lines;
  }
  std::vector<json> Jsonl(const std::string& name) const { return ReadJsonl(dir_ / name); }
  const fs::path& dir() const { return dir_; }
  const fs::path& Prepared() {
    fs::create_directories(dir_ / "telemetry");
    return dir_;
  }

 private:
  Recording& Add(const TimelineRow& row) {
    text_ += TimelineRowLine(row) + "\n";
    return *this;
  }
  fs::path dir_;
  std::string text_;
};

std::map<std::string, double> Disk(double ios, double bytes, double ms) {
  return {{"nvme0n1.read_ios", ios},   {"nvme0n1.read_merges", 0}, {"nvme0n1.read_bytes", bytes},
          {"nvme0n1.read_ms", ms},     {"nvme0n1.write_ios", 0},   {"nvme0n1.write_merges", 0},
          {"nvme0n1.write_bytes", 0},  {"nvme0n1.write_ms", 0},    {"nvme0n1.busy_ms", ms / 2},
          {"nvme0n1.queue_ms", 2 * ms}};
}

TEST(TimelineTables, BlockIoHasTheDocumentedColumnsAFirstDeltaOf0AndNoDeltaOverAReset) {
  Recording r("block");
  r.Row(0, "disk", Disk(100, 1048576, 0))
      .Row(0.5, "disk", Disk(110, 1572864, 5))  // between two rows of the table
      .Row(1, "disk", Disk(120, 3145728, 10))
      .Row(1.5, "disk", Disk(1, 4096, 0))  // a reset that the next row's total would hide
      .Row(2, "disk", Disk(300, 9437184, 50))
      .Row(3, "disk", Disk(300, 9437184, 50));
  r.Derive();
  EXPECT_THAT(r.Csv("io/block_stat_timeline.csv"),
              ElementsAre("timestamp_utc,device,read_ios_total,write_ios_total,read_bytes_total,"
                          "write_bytes_total,read_bytes_delta,write_bytes_delta,read_mib_delta,"
                          "write_mib_delta,source",
                          "2025-11-22T01:45:10.000+00:00,nvme0n1,100,0,1048576,0,0,0,0.0,0.0,"
                          "procfs_sys_block_stat",
                          "2025-11-22T01:45:11.000+00:00,nvme0n1,120,0,3145728,0,2097152,0,2.0,0.0,"
                          "procfs_sys_block_stat",
                          "2025-11-22T01:45:12.000+00:00,nvme0n1,300,0,9437184,0,,0,,0.0,"
                          "procfs_sys_block_stat",
                          "2025-11-22T01:45:13.000+00:00,nvme0n1,300,0,9437184,0,0,0,0.0,0.0,"
                          "procfs_sys_block_stat"));
  EXPECT_EQ(ReadFile(r.dir() / "io/iostat.csv"), ReadFile(r.dir() / "io/block_stat_timeline.csv"));
}

TEST(TimelineTables, AMarkBringsARowOfItsOwn) {
  Recording r("mark");
  r.Row(0, "disk", Disk(0, 0, 0))
      .Row(0.3, "disk", Disk(5, 4096, 1))
      .Mark(0.3, "before_replay")
      .Row(1, "disk", Disk(5, 4096, 1));
  r.Derive();
  const auto rows = r.Csv("io/iostat.csv");
  ASSERT_EQ(rows.size(), 3U) << "0 s and the mark; the reading after it is not due yet";
  EXPECT_THAT(rows[2], HasSubstr("10.300+00:00,nvme0n1,5,0,4096,0,4096,0,"));
}

TEST(TimelineTables, IostatRatesAreHandComputed) {
  Recording r("iostat");
  // 20 reads of 2 MiB in 2 s, 40 ms in all: 10/s, 1 MiB/s, 2 ms each, 102.4 KiB each; 20 ms of busy
  // 2000 are 1 %; 80 ms of queue time over 2000 are 0.04.
  r.Row(0, "disk", Disk(100, 0, 0)).Row(2, "disk", Disk(120, 2097152, 40));
  r.Derive({.interval_s = 2});
  EXPECT_THAT(r.Csv("io/iostat_x.csv"),
              ElementsAre("timestamp_utc,device,r/s,rMB/s,rrqm/s,r_await,rareq-sz,w/s,wMB/s,"
                          "wrqm/s,w_await,wareq-sz,aqu-sz,%util",
                          "2025-11-22T01:45:12.000+00:00,nvme0n1,10.0,1.0,0.0,2.0,102.4,0.0,0.0,"
                          "0.0,,,0.04,1.0"))
      << "no write ended, so there is no write await";
  const auto nvme = r.Jsonl("telemetry/nvme.jsonl");
  ASSERT_EQ(nvme.size(), 2U);
  EXPECT_EQ(nvme[0].at("data").at("r_mb_s"), nullptr) << "no rate before the second reading";
  EXPECT_EQ(nvme[0].at("valid").at("throughput"), false);
  EXPECT_EQ(nvme[1].at("ts"), 1763775912.0);
  EXPECT_EQ(nvme[1].at("data").at("r_mb_s"), 1.0);
  EXPECT_EQ(nvme[1].at("data").at("r_await_ms"), 2.0);
  EXPECT_EQ(nvme[1].at("data").at("w_await_ms"), nullptr);
  EXPECT_EQ(nvme[1].at("data").at("util_pct"), 1.0);
  EXPECT_EQ(nvme[1].at("valid").at("throughput"), true);
}

TEST(TimelineTables, ProcessesOfTheStackAndOurOwn) {
  Recording r("process");
  const auto values = [](double read, double cpu, bool helper) {
    std::map<std::string, double> v = {
        {"42.read_bytes", read},   {"42.write_bytes", 0},  {"42.syscr", 7},
        {"42.syscw", 3},           {"42.cpu_user_s", cpu}, {"42.cpu_system_s", cpu / 2},
        {"42.rss_bytes", 1048576}, {"42.threads", 4},      {"1.read_bytes", 1000 + read}};
    if (helper) v["43.read_bytes"] = 512;
    return v;
  };
  r.Row(0, "process", values(0, 0, true),
        {{"42", "worker --preset \"nano\", x"},
         {"42.role", "worker"},
         {"1.role", "self"},
         {"43", "helper"},
         {"43.role", "stack"}})
      .Row(2, "process", values(4096, 1, false));
  r.Derive();
  EXPECT_THAT(
      r.Csv("io/proc_io_timeline.csv"),
      ElementsAre("timestamp_utc,pid,cmdline,selection_mode,read_bytes_total,write_bytes_total,"
                  "read_bytes_delta,write_bytes_delta,syscr_total,syscw_total,source",
                  "2025-11-22T01:45:10.000+00:00,42,\"worker --preset \"\"nano\"\", x\","
                  "process_tree,0,0,0,0,7,3,procfs_io",
                  "2025-11-22T01:45:10.000+00:00,43,helper,process_tree,512,,0,,,,procfs_io",
                  "2025-11-22T01:45:12.000+00:00,42,\"worker --preset \"\"nano\"\", x\","
                  "process_tree,4096,0,4096,0,7,3,procfs_io"))
      << "our own process is not of the stack, and one that ended has no row";
  EXPECT_EQ(ReadFile(r.dir() / "io/pidstat.csv"), ReadFile(r.dir() / "io/proc_io_timeline.csv"));
  const auto rows = r.Csv("io/pidstat_u.csv");
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_THAT(rows[1], HasSubstr(",1,self,,,,2.0,,,,,,")) << "what was not read is empty";
  EXPECT_THAT(rows[2], HasSubstr(",42,worker,50.0,25.0,75.0,2.0,0.0,,,4,1024,"));
}

TEST(TimelineTables, MpstatIsInPercentOfEachCpuAndOrderedByNumber) {
  Recording r("mpstat");
  const auto cpu = [](double user, double idle) {
    std::map<std::string, double> v;
    for (const char* core : {"all", "cpu0", "cpu2", "cpu10"}) {
      const std::string p = std::string(core) + ".";
      for (const char* s : {"nice_s", "system_s", "iowait_s", "irq_s", "softirq_s", "steal_s"})
        v[p + s] = 0;
      v[p + "user_s"] = user;
      v[p + "idle_s"] = idle;
    }
    return v;
  };
  r.Row(0, "cpu", cpu(10, 10)).Row(1, "cpu", cpu(10.25, 10.75));
  r.Derive();
  const auto rows = r.Csv("io/mpstat.csv");
  ASSERT_EQ(rows.size(), 5U);
  EXPECT_EQ(rows[0], "timestamp_utc,cpu,%usr,%nice,%sys,%iowait,%irq,%soft,%steal,%idle");
  EXPECT_EQ(rows[1], "2025-11-22T01:45:11.000+00:00,all,25.0,0.0,0.0,0.0,0.0,0.0,0.0,75.0");
  EXPECT_THAT(rows[3], HasSubstr(",2,25.0,"));
  EXPECT_THAT(rows[4], HasSubstr(",10,25.0,"));
  const auto sysmon = r.Jsonl("telemetry/sysmon.jsonl");
  ASSERT_EQ(sysmon.size(), 2U);
  EXPECT_EQ(sysmon[1].at("cpu").at("user"), 25.0);
  EXPECT_EQ(sysmon[1].at("valid").at("cpu"), true);
  EXPECT_EQ(sysmon[1].at("mem").at("MemAvailable"), nullptr) << "not read is not 0";
  EXPECT_EQ(sysmon[1].at("valid").at("mem"), false);
  EXPECT_EQ(sysmon[1].at("valid").at("gpu"), false);
  EXPECT_EQ(sysmon[1].at("stack"), nullptr);
}

TEST(TimelineTables, SnapshotsAreTakenAtTheDocumentedMarks) {
  Recording r("snapshots");
  const std::map<std::string, double> memory = {{"dirty_bytes", 8192},
                                                {"writeback_bytes", 0},
                                                {"cached_bytes", 1048576},
                                                {"buffers_bytes", 4096}};
  r.Row(0, "memory", memory)
      .Mark(0, "run_start")
      .Row(1, "memory", memory)
      .Mark(1, "quiet_replay")  // a mark of our own
      .Row(2, "memory", memory)
      .Row(2, "vmstat", {{"page_faults", 9}, {"major_faults", 1}, {"pgpgin_bytes", 2048}})
      .Mark(2, "before_replay_2")
      .Mark(3, "after_replay_2");
  r.Derive();
  const auto rows = r.Jsonl("io/meminfo_snapshots.jsonl");
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[0].at("label"), "run_start");
  EXPECT_EQ(rows[0].at("phase"), nullptr);
  EXPECT_EQ(rows[0].at("values_kib").at("Dirty"), 8);
  EXPECT_EQ(rows[0].at("values_kib").at("Writeback"), 0);
  EXPECT_EQ(rows[1].at("label"), "phase_start");
  EXPECT_EQ(rows[1].at("phase"), "replay_2");
  EXPECT_EQ(rows[1].at("success"), true);
  EXPECT_EQ(rows[2].at("label"), "phase_end");
  EXPECT_EQ(rows[2].at("success"), false) << "the reading of the mark before is not its own";
  EXPECT_EQ(rows[2].at("values_kib").at("Cached"), nullptr);
  const auto vm = r.Jsonl("io/vmstat_snapshots.jsonl");
  ASSERT_EQ(vm.size(), 3U);
  EXPECT_EQ(vm[1].at("values").at("pgpgin"), 2) << "the kernel counts KiB";
  EXPECT_EQ(vm[1].at("values").at("pgfault"), 9);
  EXPECT_EQ(vm[1].at("values").at("pgpgout"), nullptr);
  EXPECT_EQ(vm[1].at("success"), false);
}

TEST(TimelineTables, OnlyWhatCrossesTheSsdIsTrafficOfTier2) {
  Recording r("dynkv");
  const auto engine = [](double from_disk, double to_disk, double host) {
    return std::map<std::string, double>{{"onboard_g3_to_g1_blocks", from_disk},
                                         {"onboard_g2_to_g1_blocks", host},
                                         {"offload_g1_to_g2_blocks", host},
                                         {"offload_g2_to_g3_blocks", to_disk},
                                         {"offload_g1_to_g3_blocks", to_disk},
                                         {"host_hit_rate", 0.5},
                                         {"disk_hit_rate", 0.25}};
  };
  r.Row(0, "engine", engine(5, 0, 0))
      .Row(1, "engine", engine(8, 2, 100))
      .Row(2, "engine", engine(1, 2, 100));  // the worker was started again
  r.Derive({.block_bytes = 8192});
  const auto rows = r.Jsonl("telemetry/dynkv.jsonl");
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[0].at("tier2").at("bytes_in"), nullptr) << "the first has nothing to differ from";
  EXPECT_EQ(rows[1].at("tier2").at("bytes_in"), 3 * 8192) << "100 host onboards are not of the SSD";
  EXPECT_EQ(rows[1].at("tier2").at("bytes_out"), 4 * 8192) << "through the host and directly";
  EXPECT_EQ(rows[1].at("tier1").at("bytes_in"), 100 * 8192);
  EXPECT_EQ(rows[1].at("tier2").at("hits"), nullptr);
  EXPECT_EQ(rows[1].at("evictions"), nullptr);
  EXPECT_EQ(rows[1].at("valid").at("tier2"), true);
  EXPECT_EQ(rows[1].at("valid").at("tier0"), false);
  EXPECT_EQ(rows[2].at("tier2").at("bytes_in"), nullptr) << "a reset is no 0";
  EXPECT_EQ(rows[2].at("tier2").at("bytes_out"), 0);
  EXPECT_THAT(r.Csv("telemetry/dynkv_kv.csv")[2],
              testing::EndsWith(",0.5,0.25,24576,32768,,,,8192,24576,32768,"));
  r.Derive();  // the size of a block is not known
  EXPECT_EQ(r.Jsonl("telemetry/dynkv.jsonl")[1].at("tier2").at("bytes_in"), nullptr);
}

TEST(TimelineTables, BlocksStagedFromTheSsdAreTrafficOfTier2Too) {
  Recording r("dynkv_staged");
  r.Row(0, "engine", {{"onboard_g3_to_g1_blocks", 0}, {"onboard_g3_to_g2_blocks", 4}})
      .Row(1, "engine", {{"onboard_g3_to_g1_blocks", 1}, {"onboard_g3_to_g2_blocks", 9}});
  r.Derive({.block_bytes = 8192});
  EXPECT_EQ(r.Jsonl("telemetry/dynkv.jsonl")[1].at("tier2").at("bytes_in"), 6 * 8192);
  Recording only("dynkv_only_staged");
  only.Row(0, "engine", {{"onboard_g3_to_g2_blocks", 4}})
      .Row(1, "engine", {{"onboard_g3_to_g2_blocks", 9}});
  only.Derive({.block_bytes = 8192});
  EXPECT_EQ(only.Jsonl("telemetry/dynkv.jsonl")[1].at("tier2").at("bytes_in"), 5 * 8192);
}

TEST(TimelineTables, GpusAreInBytesAndWhatTheyDoNotSayIsNull) {
  Recording r("gpu");
  r.Row(0, "gpu", {{"gpu0.util_ratio", 0.5}, {"gpu0.mem_used_bytes", 3145728}}, {{"gpu0", "GB10"}});
  r.Derive();
  const json gpu = r.Jsonl("telemetry/gpu.jsonl").at(0);
  EXPECT_EQ(gpu.at("data").at("gpus").at(0).at("mem_used_bytes"), 3145728);
  EXPECT_EQ(gpu.at("data").at("gpus").at(0).at("mem_used_mb"), 3.0);
  EXPECT_EQ(gpu.at("data").at("gpus").at(0).at("util_pct"), 50.0);
  EXPECT_EQ(gpu.at("data").at("gpus").at(0).at("mem_total_bytes"), nullptr);
  EXPECT_EQ(gpu.at("data").at("gpus").at(0).at("name"), "GB10");
  EXPECT_EQ(gpu.at("valid").at("gpu0").at("memory"), false);
}

const TableStatus& Find(const std::vector<TableStatus>& files, const std::string& path) {
  for (const auto& f : files) {
    if (f.path == path) return f;
  }
  throw DataError("no status of " + path);
}

TEST(TelemetryReport, ASkippedSourceIsNotCalledStartedAndItsFileSaysWhy) {
  Recording r("report");
  r.Row(0, "disk", Disk(0, 0, 0))
      .Blind(0, "gpu", "no GPU: nvidia-smi is not on the path")
      .Row(1, "recorder", {{"rows_dropped", 3}})
      .Mark(1, "run_end");
  const auto files = r.Derive();
  EXPECT_TRUE(Find(files, "io/iostat.csv").written);
  EXPECT_EQ(Find(files, "telemetry/gpu.jsonl").reason,
            "gpu: no GPU: nvidia-smi is not on the path");
  EXPECT_EQ(Find(files, "telemetry/dynkv.jsonl").reason,
            "the timeline has no row of the source engine");
  EXPECT_FALSE(fs::exists(r.dir() / "telemetry/gpu.jsonl"));
  EXPECT_FALSE(fs::exists(r.dir() / "telemetry/gpu.jsonl.part"));
  const json report = ReadJson(r.dir() / bundle_files::kTelemetryReport);
  EXPECT_EQ(report.at("started").at("started"), (json{"disk", "recorder"}));
  EXPECT_THAT(report.at("started").at("warnings").dump(), HasSubstr("nvidia-smi"));
  EXPECT_EQ(report.at("sources").at("gpu").at("status"), "unavailable");
  EXPECT_EQ(report.at("sources").at("cpu").at("status"), "no_rows");
  EXPECT_EQ(report.at("sources").at("disk").at("status"), "ok");
  EXPECT_EQ(report.at("stopped").at("warnings"), json{"the recorder dropped 3 rows"});
  EXPECT_EQ(report.at("files").at("telemetry/gpu.jsonl").at("written"), false);
  EXPECT_THAT(CheckBundle(r.dir(), kSchemas), IsEmpty());
}

TEST(TelemetryReport, EveryFileHoldsItsSchema) {
  Recording r("schemas");
  r.Row(0, "cpu", {{"all.user_s", 1}})
      .Row(0, "disk", Disk(0, 0, 0))
      .Row(0, "gpu", {{"gpu0.util_ratio", 0.5}})
      .Row(0, "engine", {{"onboard_g3_to_g1_blocks", 1}})
      .Row(0, "memory", {{"dirty_bytes", 1000}})
      .Mark(0, "run_start");
  r.Derive();
  EXPECT_TRUE(fs::exists(r.dir() / "telemetry/dynkv.jsonl"));
  EXPECT_TRUE(fs::exists(r.dir() / "io/meminfo_snapshots.jsonl"));
  EXPECT_THAT(CheckBundle(r.dir(), kSchemas), IsEmpty());
}

TEST(TelemetryReport, TheSchemaOfTheTimelineFindsARowThatIsNone) {
  const std::pair<const char*, const char*> bad[] = {
      {R"({"t_ns":1,"source":"mark"})", "a mark without its label"},
      {R"({"t_ns":1,"source":"cpu","mark":"run_end"})", "a reading with a mark"},
      {R"({"t_ns":1,"source":"cpu","values":{"a":null}})", "null for a number"},
      {R"({"schema_version":1})", "a second head"}};
  for (const auto& [row, what] : bad) {
    Recording r("bad_row");
    r.Row(0, "disk", Disk(0, 0, 0));
    r.Derive();
    const fs::path timeline = r.dir() / bundle_files::kTimeline;
    WriteFileAtomic(timeline, ReadFile(timeline) + row + "\n");
    const auto violations = CheckBundle(r.dir(), kSchemas);
    ASSERT_FALSE(violations.empty()) << what;
    EXPECT_THAT(violations[0], HasSubstr("timeline.jsonl:3")) << what;
  }
}

TEST(TelemetryReport, ARunWithoutTheRecorderHasNothingStarted) {
  Recording r("off");
  const auto files = WriteTimelineTables(r.dir(), {});
  for (const auto& f : files) {
    EXPECT_FALSE(f.written) << f.path;
    EXPECT_THAT(f.reason, HasSubstr("made without telemetry"));
  }
  const json report = ReadJson(r.dir() / bundle_files::kTelemetryReport);
  EXPECT_EQ(report.at("started"), nullptr);
  EXPECT_THAT(CheckBundle(r.dir(), kSchemas), IsEmpty());
}

TEST(TimelineTables, ABrokenTimelineLeavesNoHalfTable) {
  Recording r("broken");
  r.Row(0, "disk", Disk(0, 0, 0));
  r.Derive();
  fs::remove_all(r.dir() / "io");
  const fs::path timeline = r.dir() / bundle_files::kTimeline;
  WriteFileAtomic(timeline, ReadFile(timeline) + "{\n{}\n");
  EXPECT_THROW(WriteTimelineTables(r.dir(), {}), DataError);
  EXPECT_FALSE(fs::exists(r.dir() / "io/block_stat_timeline.csv"));
  EXPECT_FALSE(fs::exists(r.dir() / "io/block_stat_timeline.csv.part"));
}

}  // namespace
}  // namespace kvtier
