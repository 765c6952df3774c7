#include "harness/report/io_attribution_json.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "harness/core/error.hpp"
#include "harness/report/evidence_json.hpp"
#include "harness/report/sample_leg.hpp"
#include "harness/report/sample_schemas.hpp"
#include "harness/report/schema_check.hpp"

namespace kvtier {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

json Written(const IoAttributionReport& report) {
  return IoAttributionJson(report, {.capture_timestamp = "2026-11-22T01:45:20.000+00:00",
                                    .artifacts = {"io/iostat.csv"}});
}

TEST(IoAttribution, HasTheDocumentedKeysAndNullForTheUnknown) {
  const json j = Written(sample::Attribution());
  const json& block = j.at("block_io_by_phase").at("replay");
  EXPECT_EQ(block.at("read_bytes"), 34 * 8192 + 4096);
  EXPECT_EQ(block.at("source"), "phase_boundary_block_device_delta");
  EXPECT_EQ(block.at("sampled_write_bytes"), nullptr);
  EXPECT_EQ(block.at("unavailable").at("sampled_write_bytes"),
            "the timeline has one reading of the disk");
  const json& process = j.at("process_io_by_phase").at("replay");
  EXPECT_EQ(process.at("per_pid").at(0).at("read_bytes_delta"), 34 * 8192);
  EXPECT_EQ(process.at("cgroup_read_bytes"), nullptr) << "could not measure is no measured 0";
  const json& files = j.at("kvbm_file_io_by_phase");
  EXPECT_EQ(files.at("available"), true);
  EXPECT_EQ(files.at("phases").at("replay").at(0).at("path"), "/kv/blocks (deleted)");
  EXPECT_EQ(files.at("phases").at("replay").at(0).at("read_bytes"), nullptr);
  EXPECT_EQ(files.at("phases").at("populate"), nullptr);
  EXPECT_EQ(j.at("artifacts").at("iostat_csv"), "io/iostat.csv");
}

TEST(IoAttribution, DirectIoIsWhatTheOpenFilesSay) {
  IoAttributionReport r = sample::Attribution();
  json d = Written(r).at("direct_io_evidence");
  EXPECT_EQ(d.at("method"), "fdinfo_flags");
  EXPECT_EQ(d.at("observed_flags"), json::array({"O_DIRECT"}));
  EXPECT_EQ(d.at("confidence"), "high");
  EXPECT_EQ(d.at("corroborating_behavior").at("replay_block_and_process_read_positive"), true);
  EXPECT_EQ(d.at("corroborating_behavior").at("replay_like_phases"), json::array({"replay"}));

  auto files = *r.phases[1].files;
  files[0].direct_io = false;
  r.phases[1].files = files;
  d = Written(r).at("direct_io_evidence");
  EXPECT_EQ(d.at("observed_flags"), json::array());
  EXPECT_EQ(d.at("confidence"), "high") << "seen to be without the flag";

  r.phases[1].files = std::vector<FileObservation>{};
  EXPECT_EQ(Written(r).at("direct_io_evidence").at("method"), "none");
  EXPECT_EQ(Written(r).at("direct_io_evidence").at("confidence"), "low");
  r.phases[1].files = r.phases[0].files;
  EXPECT_EQ(Written(r).at("direct_io_evidence").at("method"), "unavailable");
  EXPECT_EQ(Written(r).at("kvbm_file_io_by_phase").at("available"), false);
  EXPECT_EQ(Written(r).at("kvbm_file_io_by_phase").at("reason"), "/proc/4242/fd: EACCES");
}

TEST(IoAttribution, ComesBackAsItWasWritten) {
  IoAttributionReport failed;
  failed.error = "the worker is of another user";
  for (const auto& report : {sample::Attribution(), failed}) {
    const json j = Written(report);
    EXPECT_EQ(Written(IoAttributionFromJson(json::parse(j.dump()))), j);
  }
  const IoAttributionReport back = IoAttributionFromJson(Written(sample::Attribution()));
  EXPECT_EQ(back.phases[0].phase, "populate") << "in the order of the run, not of the alphabet";
  EXPECT_EQ(back.phases[0].files.reason(), "/proc/4242/fd: EACCES");
  EXPECT_EQ(back.phases[1].process_read, Bytes{34 * 8192});
  EXPECT_EQ(back.phases[1].cgroup_read.reason(), "no io controller");
}

TEST(IoAttribution, ANullWithoutAReasonANegativeCountAndAMissingKeyAreRefused) {
  json j = Written(sample::Attribution());
  j["block_io_by_phase"]["replay"]["read_bytes"] = nullptr;
  EXPECT_THROW(IoAttributionFromJson(j), json::exception);
  j["block_io_by_phase"]["replay"]["read_bytes"] = -1;
  EXPECT_THROW(IoAttributionFromJson(j), DataError);
  j = Written(sample::Attribution());
  j["process_io_by_phase"].erase("populate");
  EXPECT_THROW(IoAttributionFromJson(j), json::exception);
}

IoAttributionVerdict SampleVerdict() {
  IoAttributionVerdict v;
  v.pass = true;
  v.mode = "B2";
  v.strict = true;
  v.checks = {{"replay_phase_window", CheckStatus::kPass, "2 s"},
              {"replay_kvbm_file_observation", CheckStatus::kWarn, "no file was seen"}};
  v.replay_phase = "replay";
  v.replay_block_read = Bytes{300000};
  v.replay_process_read = Bytes{278528};
  v.replay_cgroup_read = Reading<Bytes>::Unavailable("no io controller");
  v.evidence_method = "pid";
  v.top_pids = sample::Attribution().phases[1].pids;
  return v;
}

TEST(Bundle, HoldsTheAttributionAndItsVerdict) {
  const auto dir = sample::Scratch("attribution") / "run";
  const LegEvidence leg = sample::Leg();
  RunBundleWriter writer(dir);
  sample::WriteUpToTheEnd(writer, leg);
  EXPECT_FALSE(LoadIoVerdict(dir));
  writer.WriteIoAttribution(sample::Attribution());
  writer.WriteIoVerdict(SampleVerdict());
  LegEvidence closing = leg;
  closing.io_attribution = sample::Attribution();
  writer.Close(closing);

  const LegEvidence back = LoadLeg(dir);
  ASSERT_TRUE(back.io_attribution);
  EXPECT_EQ(Written(*back.io_attribution), Written(sample::Attribution()));
  const auto verdict = LoadIoVerdict(dir);
  ASSERT_TRUE(verdict);
  EXPECT_EQ(json(*verdict), json(SampleVerdict()));
  const json file = ReadJson(dir / bundle_files::kIoVerdict);
  EXPECT_EQ(file.at("artifacts").at("io_attribution_report_path"), bundle_files::kIoAttribution);
  const json block = ReadJson(dir / bundle_files::kSummary).at("io_attribution");
  EXPECT_EQ(block.at("available"), true);
  EXPECT_EQ(block.at("report_path"), bundle_files::kIoAttribution);
  EXPECT_EQ(block.at("capture_error_count"), 1);
  EXPECT_THAT(CheckBundle(dir, kSchemas), IsEmpty());

  WriteFileAtomic(dir / bundle_files::kIoAttribution, "{\"schema_version\": 1}");
  try {
    LoadLeg(dir);
    ADD_FAILURE() << "a report without keys was read";
  } catch (const DataError& e) {
    EXPECT_THAT(e.what(), HasSubstr("io_attribution_report.json"));
    EXPECT_THAT(e.what(), HasSubstr("available"));
  }
}

}  // namespace
}  // namespace kvtier
