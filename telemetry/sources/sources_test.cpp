// The recorder's sources over a made-up Spark (telemetry/os/golden) and over the machine that runs
// the test: golden for what a row says, live for that it says anything at all.
#include <unistd.h>

#include <regex>
#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/core/files.hpp"
#include "telemetry/sources/host_sources.hpp"
#include "telemetry/sources/process_source.hpp"
#include "telemetry/sources/service_sources.hpp"
#include "telemetry/sources/source_set.hpp"

namespace kvtier {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::Not;
using ::testing::Pair;

OsRoots Spark() {
  const fs::path root = fs::path(KVTIER_GOLDEN) / "spark";
  return {.proc = root / "proc", .sys = root / "sys"};
}

TimelineRow ReadAt(Source& source, MonoNs at) {
  TimelineRow row;
  row.at = at;
  row.source = source.name();
  source.Read(row);
  return row;
}

TEST(Sources, EachCoreOnceASecondAllCoresEachTime) {
  const auto cpu = MakeCpuSource(Spark());
  const TimelineRow first = ReadAt(*cpu, 1);
  EXPECT_THAT(first.values, Contains(Pair("all.user_s", 2190.0)));  // 219000 ticks of 10 ms
  EXPECT_THAT(first.values, Contains(Pair("cpu1.iowait_s", 0.51)));
  const TimelineRow soon = ReadAt(*cpu, 100'000'001);
  EXPECT_THAT(soon.values, Contains(Key("all.idle_s")));
  EXPECT_EQ(soon.values.size(), 8U);
  EXPECT_GT(ReadAt(*cpu, 1'000'000'001).values.size(), 8U * 20);
}

TEST(Sources, TheDiskOfTheCacheAlone) {
  const auto disk = MakeDiskSource("nvme0n1", "", Spark());
  const TimelineRow row = ReadAt(*disk, 1);
  EXPECT_THAT(row.values, Contains(Pair("nvme0n1.read_bytes", 400000000.0 * 512)));
  EXPECT_THAT(row.values, Contains(Pair("nvme0n1.in_flight", 7)));
  EXPECT_THAT(row.values, Contains(Pair("nvme0n1.queue_ms", 3310000)));
  EXPECT_EQ(row.values.size(), 11U);
  EXPECT_THAT(ReadAt(*MakeDiskSource("nvme9n1", "", Spark()), 1).unavailable,
              Contains(Pair("", HasSubstr("nvme9n1"))));
  EXPECT_THAT(ReadAt(*MakeDiskSource("", "the directory is on tmpfs"), 1).unavailable,
              Contains(Pair("", "the directory is on tmpfs")));
}

TEST(Sources, ADiskThatIsNamedNeedsNoDirectory) {
  for (const auto& s : StandardSources({.roots = Spark(),
                       .processes = {},
                       .cache_dir = "/nowhere",
                       .disk = "nvme0n1",
                       .engine_url = "",
                       .fastest = milliseconds(100)})) {
    if (s.source->name() != "disk") continue;
    EXPECT_THAT(ReadAt(*s.source, 1).values, Contains(Key("nvme0n1.write_bytes")));
  }
}

TEST(Sources, ProcessesCarryTheirRoleOnce) {
  const auto source = MakeProcessSource({.workers = {4242}, .stack = {}, .self = 0}, Spark());
  const TimelineRow row = ReadAt(*source, 1);
  EXPECT_THAT(row.values, Contains(Pair("4242.read_bytes", 32212254720.0)));
  EXPECT_THAT(row.values, Contains(Pair("4242.cpu_user_s", 1234.56)));
  EXPECT_THAT(row.labels, Contains(Pair("4242.role", "worker")));
  EXPECT_THAT(ReadAt(*source, 2).labels, IsEmpty());
}

TEST(Sources, AWorkerThatIsGoneIsSaidSo) {
  const auto source = MakeProcessSource({.workers = {999999}, .stack = {}, .self = 0}, Spark());
  const TimelineRow row = ReadAt(*source, 1);
  EXPECT_THAT(row.values, IsEmpty());
  EXPECT_THAT(row.unavailable, Contains(Key("999999")));
  const auto nobody = MakeProcessSource({.workers = {}, .stack = {}, .self = 0}, Spark());
  EXPECT_THAT(ReadAt(*nobody, 1).unavailable, Contains(Pair("worker", HasSubstr("does not say"))));
}

TEST(Sources, APageCacheOfUnknownSizeIsNotEmpty) {
  // The recorded descriptors lead nowhere, so neither size nor residency can be read.
  const auto source = MakePageCacheSource({4242}, "/mnt/nvme/kvbm", Spark());
  const TimelineRow row = ReadAt(*source, 1);
  EXPECT_THAT(row.values, IsEmpty());
  EXPECT_THAT(row.unavailable, Contains(Pair("kv.file_bytes", HasSubstr("4242/fd/"))));
  EXPECT_THAT(row.unavailable, Contains(Pair("kv.resident_bytes", HasSubstr("4242/fd/"))));
}

TEST(Sources, HeatIsLabelled) {
  const TimelineRow row = ReadAt(*MakeThermalSource(Spark()), 1);
  EXPECT_THAT(row.labels, Contains(Pair("hwmon1.temp1", HasSubstr("nvme0"))));
  EXPECT_THAT(row.values, Contains(Key("zone0.celsius")));
  EXPECT_THAT(row.values, Contains(Key("cooling0.state")));
}

TEST(Sources, AnEngineThatIsDownCostsAReasonThatNamesIt) {
  const auto engine = MakeEngineSource("http://127.0.0.1:1/metrics", milliseconds(80));
  EXPECT_THAT(ReadAt(*engine, 1).unavailable, Contains(Pair("", HasSubstr("127.0.0.1:1"))));
  EXPECT_THAT(ReadAt(*MakeEngineSource("", milliseconds(80)), 1).unavailable,
              Contains(Pair("", HasSubstr("KVBM is off"))));
}

TEST(Sources, EveryStandardSourceSaysAValueOrAReasonOnThisMachine) {
  const auto sources =
      StandardSources({.roots = {},
                       .processes = {.workers = {}, .stack = {}, .self = ::getpid()},
                       .cache_dir = fs::current_path(),
                       .engine_url = "",
                       .fastest = milliseconds(100)});
  std::set<std::string> names;
  for (const auto& s : sources) {
    const TimelineRow row = ReadAt(*s.source, 1);
    EXPECT_FALSE(row.values.empty() && row.unavailable.empty()) << s.source->name();
    for (const auto& [key, reason] : row.unavailable) EXPECT_THAT(reason, Not(IsEmpty())) << key;
    names.emplace(s.source->name());
  }
  for (const char* needed : {"cpu", "memory", "vmstat", "process", "clock", "network"})
    EXPECT_TRUE(names.contains(needed)) << needed;
}

TEST(Sources, NoSourceIsReadMoreOftenThanAsked) {
  const auto sources = StandardSources({.roots = {},
                                        .processes = {},
                                        .cache_dir = {},
                                        .engine_url = "",
                                        .fastest = milliseconds(1000)});
  for (const auto& s : sources)
    EXPECT_THAT(s.cadence.count(), AnyOf(0, ::testing::Ge(1000))) << s.source->name();
}

/// nvidia-smi of one GPU that is held back.
std::unique_ptr<Source> OneGpu() {
  GpuOptions options;
  options.library = "/no/such/libnvidia-ml.so";
  options.runner = [](const std::vector<std::string>&, milliseconds) {
    CommandResult answer;
    answer.outcome = CommandResult::Outcome::kExited;
    answer.exit_code = 0;
    answer.out = "0, 31.5, 2000, 4000, 61, 50, 20, 0x0000000000000004, 100, 200, GB10\n";
    return answer;
  };
  return MakeGpuSource(std::make_unique<Gpu>(std::move(options)));
}

/// "cpu12.user_s" -> "cpu<N>.user_s".
std::string Shape(const std::string& key) {
  const std::size_t reason = key.find(".throttle.");
  if (reason != std::string::npos) return key.substr(0, reason) + ".throttle.<reason>";
  return std::regex_replace(key, std::regex("(cpu|zone|cooling|hwmon|temp|gpu)[0-9]+"), "$1<N>");
}

/// The line of a source in the table of docs/timeline.md; empty when it has none.
std::string LineOf(const std::string& page, std::string_view source) {
  const std::size_t at = page.find(fmt::format("\n| `{}` |", source));
  return at == std::string::npos ? "" : page.substr(at + 1, page.find('\n', at + 1) - at - 1);
}

// The page is the contract of everything that reads a timeline.
TEST(Sources, EveryKeyIsInTheDocumentation) {
  const std::string page = ReadFile(fs::path(KVTIER_GOLDEN) / "../../../docs/timeline.md");
  auto sources = StandardSources({.roots = Spark(),
                                  .processes = {.workers = {4242}, .stack = {}, .self = 0},
                                  .cache_dir = {},
                                  .engine_url = "",
                                  .fastest = milliseconds(100)});
  sources.push_back({OneGpu(), milliseconds(0)});
  ASSERT_THAT(ReadAt(*sources.back().source, 1).values,
              Contains(Key("gpu0.throttle.sw_power_cap")));
  for (const auto& s : sources) {
    const std::string line = LineOf(page, s.source->name());
    EXPECT_THAT(line, Not(IsEmpty())) << s.source->name();
    for (const auto& [key, value] : ReadAt(*s.source, 1).values) {
      const std::string shape = Shape(key);
      const std::string field =
          shape.substr(shape.rfind('.') == std::string::npos ? 0 : shape.rfind('.') + 1);
      // PSI is written as <cpu,io,memory>.<some,full>_us.
      const bool stall = s.source->name() == "pressure";
      EXPECT_TRUE(line.find(field) != std::string::npos || stall) << s.source->name() << " " << key;
    }
  }
}

}  // namespace
}  // namespace kvtier
