#include "harness/report/legacy/legacy_export.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/core/error.hpp"
#include "harness/report/sample_leg.hpp"
#include "harness/report/sample_schemas.hpp"
#include "harness/report/schema_check.hpp"
#include "harness/report/timeline.hpp"
#include "harness/report/timeline_tables.hpp"

// A bundle in the files of the older runners: their keys and columns in their order, figures of the
// bundle, and a reason for every field without one.
namespace kvtier {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using nlohmann::ordered_json;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string TimelineText(bool blind) {
  TimelineHead head;
  head.anchor.wall =
      std::chrono::system_clock::time_point(std::chrono::milliseconds(1'763'775'910'000));
  for (const char* source : {"cpu", "disk", "memory", "engine", "thermal", "gpu"})
    head.sources.push_back({source, std::chrono::milliseconds(1000)});
  head.kv_device = "nvme0n1";
  std::string text = TimelineHeadLine(head) + "\n";
  const auto add = [&](double s, const char* source, std::map<std::string, double> values,
                       std::map<std::string, std::string> labels = {}) {
    TimelineRow row;
    row.at = static_cast<MonoNs>(s * 1e9);
    row.source = source;
    row.values = std::move(values);
    row.labels = std::move(labels);
    text += TimelineRowLine(row) + "\n";
  };
  for (int i = 0; i < 3; ++i) {
    const double s = i;
    if (!blind) {
      add(s, "memory", {{"mem_available_bytes", 2048.0 * 1024}, {"cached_bytes", 1024.0 * 1024}});
      add(s, "disk",
          {{"nvme0n1.read_ios", 100 * s},
           {"nvme0n1.read_merges", 0},
           {"nvme0n1.read_bytes", 100 * s * 65536},
           {"nvme0n1.read_ms", 200 * s},
           {"nvme0n1.write_ios", 300 * s},
           {"nvme0n1.write_merges", 0},
           {"nvme0n1.write_bytes", 300 * s * 4096},
           {"nvme0n1.write_ms", 300 * s},
           {"nvme0n1.busy_ms", 250 * s},
           {"nvme0n1.queue_ms", 500 * s}});
      add(s, "engine",
          {{"offload_g1_to_g2_blocks", 10 * s},
           {"offload_g2_to_g3_blocks", 4 * s},
           {"offload_g1_to_g3_blocks", 0},
           {"onboard_g2_to_g1_blocks", 100 * s},
           {"onboard_g3_to_g1_blocks", 2 * s},
           {"host_hit_rate", 0.5}});
      add(s, "thermal", {{"hwmon1.temp1.celsius", 47.85}}, {{"hwmon1.temp1", "nvme0 Composite"}});
    }
    add(s, "cpu",
        {{"all.user_s", 0.5 * s},
         {"all.nice_s", 0},
         {"all.system_s", 0.2 * s},
         {"all.idle_s", 1.2 * s},
         {"all.iowait_s", 0.1 * s},
         {"all.irq_s", 0},
         {"all.softirq_s", 0},
         {"all.steal_s", 0}});
  }
  return text;
}

class LegacyExportTest : public ::testing::Test {
 protected:
  enum class Telemetry { kAll, kBlind, kNone };
  fs::path Bundle(Telemetry telemetry = Telemetry::kAll) const {
    LegEvidence leg = sample::Leg();
    leg.records[3] = sample::Record("replay", 2, 30, Outcome::kHttpError);
    leg.records[3].request_index = 4;
    const fs::path dir = root_ / leg.run_id;
    RunBundleWriter writer(dir);
    sample::WriteUpToTheEnd(writer, leg);
    if (telemetry != Telemetry::kNone) {
      fs::create_directories(dir / "telemetry");
      WriteFileAtomic(dir / bundle_files::kTimeline, TimelineText(telemetry == Telemetry::kBlind));
      WriteTimelineTables(dir, {.block_bytes = 8192, .stack = "reference"});
    }
    writer.Close(leg);
    return dir;
  }
  LegacyExport Export(const fs::path& run, const std::string& stack = "") const {
    return ExportLegacy({.run_dir = run, .out = Out(), .stack = stack});
  }
  fs::path Out() const { return root_ / "out"; }
  static std::vector<std::string> Keys(const ordered_json& j) {
    std::vector<std::string> keys;
    for (const auto& [key, value] : j.items()) keys.push_back(key);
    return keys;
  }
  std::vector<ordered_json> Rows(const std::string& name) const {
    std::vector<ordered_json> rows;
    ForEachLine(Out() / name,
                [&](std::string_view line, bool) { rows.push_back(ordered_json::parse(line)); });
    return rows;
  }
  ordered_json Document(const std::string& suffix) const {
    return ordered_json::parse(ReadFile(Out() / ("run_B2_p01_l1_20261122T014510Z" + suffix)));
  }
  static std::string ReasonOf(const LegacyExport& done, const std::string& file,
                              const std::string& key) {
    for (const LegacyGap& gap : done.gaps) {
      if (gap.file.ends_with(file) && gap.key == key) return gap.reason;
    }
    return "";
  }
  static std::string FileReason(const LegacyExport& done, const std::string& file) {
    for (const LegacyFile& f : done.files) {
      if (f.name.ends_with(file)) return f.written ? "written" : f.reason;
    }
    return "unknown";
  }

  const TempDir root_;
};

TEST_F(LegacyExportTest, RequestsInTheDocumentedOrder) {
  const LegacyExport done = Export(Bundle());
  const auto rows = Rows("metrics.jsonl");
  ASSERT_EQ(rows.size(), 4U);
  EXPECT_THAT(
      Keys(rows[2]),
      ElementsAre("run_id", "stack", "model", "workload", "ts", "context_tokens", "concurrency",
                  "lat_ttft_ms", "lat_e2e_ms", "rc", "session_id", "turn_idx", "phase", "start_ts",
                  "ttfc_ms", "ttfb_ms", "http_status", "error", "prompt_sha256",
                  "prompt_tokens_est", "output_tokens", "user_id"));
  EXPECT_EQ(rows[2]["workload"], "rehydrate_replay");
  EXPECT_EQ(rows[2]["lat_ttft_ms"], 20.0);
  EXPECT_EQ(rows[2]["lat_e2e_ms"], 40.0);
  EXPECT_EQ(rows[2]["rc"], 0);
  EXPECT_EQ(rows[2]["concurrency"], 2);
  EXPECT_DOUBLE_EQ(rows[2]["ts"].get<double>(), 1795311910.259);
  // It failed before any event: no figure is made up for it.
  EXPECT_EQ(rows[3]["rc"], 1);
  EXPECT_TRUE(rows[3]["lat_ttft_ms"].is_null());
  EXPECT_EQ(rows[3]["http_status"], 500);
  EXPECT_THAT(ReasonOf(done, "metrics.jsonl", "lat_ttft_ms"), HasSubstr("1 requests"));
  EXPECT_TRUE(rows[0]["stack"].is_null());
  EXPECT_NE(ReasonOf(done, "metrics.jsonl", "stack"), "");
}

TEST_F(LegacyExportTest, TheConfigurationIsFlat) {
  const LegacyExport done = Export(Bundle(), "B");
  const std::string yaml = ReadFile(Out() / "config.yaml");
  EXPECT_THAT(yaml, testing::StartsWith("stack: \"B\"\nprofile: null\nmodel: \"kvtier-ref-nano\"\n"
                                        "workload: \"rehydrate_replay\"\ncontext_tokens: 512\n"
                                        "concurrency: 2\nduration_s: null\n"));
  EXPECT_THAT(yaml, HasSubstr("\nseed: 20260212\n"));
  EXPECT_THAT(yaml, HasSubstr("\ntier0_bytes: 1048576\ntier1_bytes: 2097152\n"));
  EXPECT_THAT(ReasonOf(done, "config.yaml", "duration_s"), HasSubstr("clock"));
  EXPECT_EQ(ReasonOf(done, "config.yaml", "stack"), "");
  EXPECT_EQ(Rows("sysmon.jsonl").at(0)["stack"], "B");
}

TEST_F(LegacyExportTest, TelemetryRowsInTheDocumentedOrder) {
  const LegacyExport done = Export(Bundle());
  const auto sysmon = Rows("sysmon.jsonl");
  ASSERT_EQ(sysmon.size(), 3U);
  EXPECT_THAT(Keys(sysmon[1]),
              ElementsAre("ts", "stack", "cpu", "mem", "nvme", "gpu", "valid", "vm"));
  EXPECT_THAT(Keys(sysmon[1]["cpu"]), ElementsAre("user", "system", "iowait"));
  EXPECT_THAT(Keys(sysmon[1]["mem"]),
              ElementsAre("MemAvailable", "Cached", "SwapTotal", "SwapFree"));
  EXPECT_EQ(sysmon[1]["cpu"]["user"], 25.0);
  EXPECT_EQ(sysmon[1]["nvme"]["rps"], 100.0);
  const auto nvme = Rows("nvme.jsonl");
  EXPECT_THAT(Keys(nvme.at(1)["data"]), ElementsAre("device", "r_mb_s", "w_mb_s", "r_await_ms",
                                                    "w_await_ms", "util_pct", "avg_queue_depth"));
  // Host traffic is not the SSD's: 100 blocks a second came from the host, 2 from the disk.
  const auto dynkv = Rows("dynkv.jsonl");
  EXPECT_THAT(Keys(dynkv.at(1)),
              ElementsAre("ts", "kv_block_size_bytes", "tier0", "tier1", "tier2", "evictions",
                          "prefetches", "tier2_bytes_in_delta", "tier2_bytes_out_delta",
                          "kv_blocks_evicted_delta", "valid"));
  EXPECT_EQ(dynkv[1]["tier2"]["bytes_in"], 2 * 8192);
  EXPECT_EQ(dynkv[1]["tier2"]["bytes_out"], 4 * 8192);
  EXPECT_THAT(ReadFile(Out() / "dynkv_kv.csv"),
              testing::StartsWith("ts,hit_rate_host,hit_rate_disk,tier2_bytes_in,tier2_bytes_out,"
                                  "fetch_p50_ms,fetch_p95_ms,fetch_p99_ms,kv_block_size_bytes,"
                                  "tier2_bytes_in_delta,tier2_bytes_out_delta,"
                                  "kv_blocks_evicted_delta\r\n"));
  EXPECT_NE(ReasonOf(done, "sysmon.jsonl", "gpu"), "");
  EXPECT_THAT(FileReason(done, "gpu.jsonl"), HasSubstr("gpu"));
}

TEST_F(LegacyExportTest, TheTelemetryTableHasItsColumnsAndNa) {
  const LegacyExport done = Export(Bundle());
  std::vector<std::string> lines;
  ForEachLine(Out() / "run_B2_p01_l1_20261122T014510Z_telemetry.csv",
              [&](std::string_view line, bool) { lines.emplace_back(line); });
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_EQ(std::count(lines[0].begin(), lines[0].end(), ','), 20);
  EXPECT_EQ(lines[1], "0,NA,NA,NA,NA,NA,NA,2048,1024,NA,NA,NA,NA,NA,NA,NA,NA,NA,NA,NA,47.85");
  // 100 reads of 2 ms and 64 KiB, 300 writes of 1 ms and 4 KiB: 1.25 ms and 19 KiB on average.
  EXPECT_EQ(lines[2],
            "1000,NA,NA,25,10,60,5,2048,1024,100,300,6.25,1.172,1.25,38,0.5,"
            "25,NA,NA,NA,47.85");
  EXPECT_THAT(ReasonOf(done, "_telemetry.csv", "vm_r"), HasSubstr("runnable"));
  EXPECT_THAT(ReasonOf(done, "_telemetry.csv", "gpu_util_pct"), HasSubstr("GPU"));
  EXPECT_EQ(ReasonOf(done, "_telemetry.csv", "ssd_temp_C"), "");
}

TEST_F(LegacyExportTest, SummaryManifestAndLogsOfV22) {
  const fs::path run = Bundle();
  const LegacyExport done = Export(run);
  const ordered_json summary = Document("_summary.json");
  EXPECT_THAT(Keys(summary), ElementsAre("requests_total", "admission_pct", "throughput_rps",
                                         "ttft_ms", "latency_ms", "avg", "meta"));
  EXPECT_THAT(Keys(summary["latency_ms"]),
              ElementsAre("p50", "p90", "p95", "p99", "p99_ci_low", "p99_ci_high"));
  EXPECT_EQ(summary["requests_total"], 4);
  EXPECT_EQ(summary["admission_pct"], 75.0);
  EXPECT_EQ(summary["throughput_rps"], 0.75);
  EXPECT_EQ(summary["ttft_ms"]["p50"], 50.0) << "of 50, 60 and 20";
  EXPECT_EQ(summary["latency_ms"]["p50"], 70.0);
  EXPECT_TRUE(summary["latency_ms"]["p99_ci_low"].is_null()) << "three requests have none";
  EXPECT_EQ(summary["avg"]["io_wait_pct"], 5.0);
  EXPECT_EQ(summary["avg"]["r_await_ms"], 2.0);
  const ordered_json manifest = Document("_manifest.json");
  EXPECT_THAT(Keys(manifest),
              ElementsAre("run_id", "timestamp_utc", "hypothesis", "phase", "engine_profile",
                          "model_handle", "model_tag", "model_name", "kv_cache",
                          "concurrency_users", "run_duration_sec", "max_tokens", "sampling",
                          "prompts_sha256", "storage", "os", "cpu", "saturated"));
  EXPECT_EQ(manifest["prompts_sha256"].size(), 2U);
  EXPECT_EQ(manifest["storage"]["model"], "Sample NVMe 1TB");
  EXPECT_NE(ReasonOf(done, "_manifest.json", "cpu/governor"), "");
  EXPECT_THAT(ReadFile(Out() / "run_B2_p01_l1_20261122T014510Z_mpstat.log"),
              HasSubstr("CPU    %usr   %nice    %sys %iowait    %irq   %soft  %steal  %guest  "
                        "%gnice   %idle\n"));
  EXPECT_THAT(FileReason(done, "_smartctl_pre.txt"), HasSubstr("device_metadata_pre.json"));
}

TEST_F(LegacyExportTest, WhatIsThereFitsItsSchema) {
  for (const Telemetry telemetry : {Telemetry::kAll, Telemetry::kBlind, Telemetry::kNone}) {
    const fs::path run = Bundle(telemetry);
    Export(run);
    EXPECT_THAT(CheckBundle(Out(), kSchemas), IsEmpty());
    fs::remove_all(run);
    fs::remove_all(Out());
  }
}

TEST_F(LegacyExportTest, WithoutTelemetryTheReasonsAreThere) {
  const fs::path all = Bundle();
  Export(all);
  fs::remove_all(all);
  const fs::path run = Bundle(Telemetry::kNone);
  const LegacyExport done = Export(run);
  for (const char* name : {"sysmon.jsonl", "nvme.jsonl", "dynkv.jsonl", "dynkv_kv.csv",
                           "_telemetry.csv", "_mpstat.log"}) {
    EXPECT_THAT(FileReason(done, name), HasSubstr("without telemetry")) << name;
  }
  EXPECT_FALSE(fs::exists(Out() / "sysmon.jsonl")) << "of the export before";
  const json notes = ReadJson(Out() / "legacy_export.json");
  EXPECT_EQ(notes.at("files").size(), done.files.size());
  EXPECT_EQ(notes.at("missing").size(), done.gaps.size());
  // Every null of a document is named.
  const ordered_json summary = Document("_summary.json");
  EXPECT_TRUE(summary["avg"]["io_wait_pct"].is_null());
  EXPECT_NE(ReasonOf(done, "_summary.json", "avg/io_wait_pct"), "");
}

TEST_F(LegacyExportTest, RefusesWhatItCannotRead) {
  const auto refusal = [&](const fs::path& run, const fs::path& out) -> std::string {
    try {
      ExportLegacy({.run_dir = run, .out = out});
    } catch (const ConfigError& e) {
      return e.what();
    }
    return "not refused";
  };
  EXPECT_THAT(refusal(root_ / "gone", Out()), HasSubstr("holds no run of kvtier"));
  EXPECT_FALSE(fs::exists(Out()));
  const fs::path run = Bundle();
  root_.Put("taken/thesis.txt", "do not touch");
  EXPECT_THAT(refusal(run, root_ / "taken"), HasSubstr("something else"));
  EXPECT_THAT(refusal(run, root_ / "taken/thesis.txt"), HasSubstr("no folder"));
  EXPECT_EQ(ReadFile(root_ / "taken/thesis.txt"), "do not touch");
}

TEST_F(LegacyExportTest, AHostileRunIdStaysInItsFolder) {
  const fs::path run = Bundle();
  for (const char* file : {"config.json", "summary.json"}) {
    json j = ReadJson(run / file);
    j["run_id"] = "../../x";
    WriteJsonAtomic(run / file, j);
  }
  const LegacyExport done = Export(run);
  EXPECT_TRUE(fs::exists(Out() / ".._.._x_summary.json"));
  EXPECT_FALSE(fs::exists(root_.path().parent_path() / "x_summary.json"));
}

}  // namespace
}  // namespace kvtier
