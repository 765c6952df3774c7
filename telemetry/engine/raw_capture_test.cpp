#include "telemetry/engine/raw_capture.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "harness/core/files.hpp"
#include "harness/core/temp_dir.hpp"
#include "harness/net/http_server.hpp"
#include "telemetry/engine/exposition.hpp"

namespace kvtier {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr const char* kSystem =
    "# TYPE trtllm_kv_cache_host_utilization gauge\ntrtllm_kv_cache_host_utilization 0.5\n"
    "# TYPE dynamo_component_x_kvbm_y counter\ndynamo_component_x_kvbm_y{a=\"1\"} 1\n"
    "dynamo_component_x_kvbm_y{a=\"2\"} 2\n"
    "go_goroutines 7\n";

class RawCaptureFiles : public ::testing::Test {
 protected:
  RawCaptureFiles()
      : server_({}, [this](const HttpRequest& request, std::shared_ptr<Responder> responder) {
          if (request.path() == "/system") {
            responder->SendFull(200, "text/plain", kSystem);
          } else if (request.path() == "/kvbm") {
            responder->SendFull(200, "text/plain",
                                fmt::format("kvbm_matched_tokens {}\nkvbm_other 1\n", ++scrapes_));
          } else {
            responder->SendFull(503, "text/plain", "no");
          }
        }) {}

  RawCaptureOptions Options(const char* system, const char* kvbm) const {
    RawCaptureOptions options;
    options.directory = dir_;
    if (system != nullptr) options.system_url = server_.url() + system;
    if (kvbm != nullptr) options.kvbm_url = server_.url() + kvbm;
    options.timeout = std::chrono::seconds(30);
    return options;
  }
  std::string File(const std::string& name) const { return ReadFile(dir_ / name); }

  const TempDir folder_;
  const fs::path dir_ = folder_.path();
  int scrapes_ = 0;  // counted on the server's thread, one request at a time
  HttpServer server_;
};

TEST(CaptureSuffix, IsOfPressureAndReplay) {
  for (const char* phase : {"pressure_B", "thrash", "thrash_2"})
    EXPECT_EQ(CaptureSuffix(phase), "pressure") << phase;
  for (const char* phase : {"replay", "replay_A", "replay_2"})
    EXPECT_EQ(CaptureSuffix(phase), "replay") << phase;
  for (const char* phase : {"populate", "warm_A", "pressure", ""})
    EXPECT_EQ(CaptureSuffix(phase), "") << phase;
}

TEST_F(RawCaptureFiles, KeepsTheTextsAndALaterReplayBesideTheFirst) {
  const auto options = Options("/system", "/kvbm");
  EXPECT_FALSE(CaptureRawMetrics(options, "populate"));
  const auto first = CaptureRawMetrics(options, "replay");
  ASSERT_TRUE(first);
  EXPECT_EQ(first->suffix, "replay");
  EXPECT_TRUE(first->note.empty());
  EXPECT_EQ(File("metrics_system_replay.prom"), kSystem);
  EXPECT_EQ(File("metrics_replay.prom"), kSystem) << "the legacy copy";
  EXPECT_EQ(File("metrics_kvbm_replay.prom"), "kvbm_matched_tokens 1\nkvbm_other 1\n");

  const auto second = CaptureRawMetrics(options, "replay_2");
  EXPECT_EQ(second->suffix, "replay_2");
  EXPECT_EQ(second->note,
            "metrics_system_replay.prom is of an earlier phase and was kept; replay_2 is in "
            "metrics_system_replay_2.prom");
  EXPECT_EQ(File("metrics_kvbm_replay.prom"), "kvbm_matched_tokens 1\nkvbm_other 1\n");
  EXPECT_EQ(File("metrics_kvbm_replay_2.prom"), "kvbm_matched_tokens 2\nkvbm_other 1\n");
  EXPECT_EQ(CaptureRawMetrics(options, "replay_3")->suffix, "replay_3");
  const nlohmann::json record = *second;
  EXPECT_EQ(record.at("kvbm").at("success"), true);
  EXPECT_EQ(record.at("system").at("error"), nullptr);
}

TEST_F(RawCaptureFiles, WritesInventoriesAndTheFirstOfTheExporterStays) {
  CaptureRawMetrics(Options("/system", "/kvbm"), "thrash");
  EXPECT_EQ(File("kvbm_metric_inventory.txt"),
            "# KVBM metric inventory\n# keywords=kvbm\n# metric_count=3\n\n"
            "dynamo_component_x_kvbm_y\nsample: dynamo_component_x_kvbm_y{a=\"1\"} 1\n\n"
            "kvbm_matched_tokens\nsample: kvbm_matched_tokens 1\n\n"
            "kvbm_other\nsample: kvbm_other 1\n\n");
  const std::string expanded = File("kvbm_metric_inventory_expanded.txt");
  EXPECT_THAT(expanded, HasSubstr("# keywords=kvbm,block_manager,offload,onboard,matched,rehydrate,"
                                  "tier,disk,host\n# metric_count=4\n"));
  EXPECT_THAT(expanded, HasSubstr("\ntrtllm_kv_cache_host_utilization\n"));
  const std::string from =
      "# KVBM metric inventory from 6880\n# keywords=onboard,offload,matched\n# metric_count=1\n\n"
      "kvbm_matched_tokens\nsample: kvbm_matched_tokens 1\n\n";
  EXPECT_EQ(File("kvbm_metric_inventory_from_6880.txt"), from);
  CaptureRawMetrics(Options("/system", "/kvbm"), "replay");
  EXPECT_EQ(File("kvbm_metric_inventory_from_6880.txt"), from);
  EXPECT_THAT(File("kvbm_metric_inventory.txt"), HasSubstr("sample: kvbm_matched_tokens 2\n"));
}

TEST_F(RawCaptureFiles, WhatCannotBeReadLeavesACommentWithTheReason) {
  const auto capture = CaptureRawMetrics(Options("/gone", nullptr), "replay");
  EXPECT_FALSE(capture->system.success);
  EXPECT_EQ(File("metrics_system_replay.prom"),
            fmt::format("# snapshot_unavailable phase=replay\n# error={}/gone answered HTTP 503\n",
                        server_.url()));
  EXPECT_EQ(File("metrics_kvbm_replay.prom"),
            "# snapshot_unavailable phase=replay\n# skipped=true\n# reason=kvbm_disabled\n");
  EXPECT_TRUE(ParseExposition(File("metrics_system_replay.prom")).families.empty());
  EXPECT_FALSE(fs::exists(dir_ / "kvbm_metric_inventory_from_6880.txt"))
      << "nothing was asked of the exporter";
  const nlohmann::json record = *capture;
  EXPECT_EQ(record.at("kvbm").at("url"), nullptr);
  EXPECT_EQ(record.at("kvbm").at("error"), "kvbm_disabled");
}

TEST(Inventory, OfATornTextStillNamesWhatIsThere) {
  const auto entries = InventoryOf("# HELP kvbm_x\nkvbm_a 1\n{\n  kvbm_b{x=\"1\nkvbm_", {"KVBM_B"});
  EXPECT_TRUE(entries.empty()) << "keywords are lower case";
  EXPECT_EQ(InventoryOf("kvbm_a 1\n\n{\n KVBM_b{x=\"1\nkvbm_", {"kvbm"}).size(), 3u);
}

}  // namespace
}  // namespace kvtier
