#include "harness/judge/noise.hpp"

#include <functional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/judge/evidence_maker.hpp"
#include "harness/judge/gates.hpp"

namespace kvtier {
namespace {

using test::MakeLeg;
using test::Replay;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

template <class T>
Reading<T> GoneHere(const char* why = "planted") {
  return Reading<T>::Unavailable(why);
}

/// What happened in the replay, and the one finding that must come of it; empty code: none.
struct Noise {
  std::string name;
  std::function<void(HostEvidence&, HostWindow& before, HostWindow& during)> plant;
  std::string code;
  std::string detail;
};

Findings Plant(const Noise& noise) {
  LegEvidence leg = MakeLeg(TierMode::kB2, 50);
  HostEvidence& host = Replay(leg).host;
  HostWindow before = *host.before;
  HostWindow during = *host.during;
  noise.plant(host, before, during);
  if (host.before.available()) host.before = before;
  if (host.during.available()) host.during = during;
  return CheckNoise(leg);
}

void ExpectNoise(const std::vector<Noise>& table) {
  for (const Noise& noise : table) {
    const Findings findings = Plant(noise);
    if (noise.code.empty()) {
      EXPECT_THAT(findings, IsEmpty()) << noise.name << "\n" << FindingsText(findings);
      continue;
    }
    ASSERT_EQ(findings.size(), 1u) << noise.name << "\n" << FindingsText(findings);
    EXPECT_EQ(Code(findings[0].reason), noise.code) << noise.name;
    EXPECT_EQ(findings[0].phase, "replay") << noise.name;
    EXPECT_EQ(findings[0].severity, Describe(findings[0].reason).severity) << noise.name;
    EXPECT_THAT(findings[0].detail, HasSubstr(noise.detail)) << noise.name;
    EXPECT_EQ(Passes(findings), noise.code != "NOISE_CLOCK_STEP") << noise.name;
  }
}

// The window is 10 s long; the stack read and wrote 100 MiB each.

TEST(Noise, BackgroundIo) {
  ExpectNoise({
      {"fio in the phase",
       [](auto&, auto&, auto& d) {
         d.other_read = 180_MiB;
         d.device_read = 280_MiB;
       },
       "NOISE_BACKGROUND_IO",
       "others read 180.00 MiB and wrote 0 B during the phase (18.0 MiB/s, 47 % of nvme0n1)"},
      {"a writer before the phase", [](auto&, auto& b, auto&) { b.other_write = 60_MiB; },
       "NOISE_BACKGROUND_IO", "wrote 60.00 MiB before the phase (6.0 MiB/s"},
      {"exactly 5 MiB/s", [](auto&, auto&, auto& d) { d.other_write = 50_MiB; }, "", ""},
      {"a drop in a torrent",
       [](auto&, auto&, auto& d) {
         d.device_read = Bytes{20'000ULL << 20};
         d.other_read = 900_MiB;
       },
       "", ""},
      {"a burst under the floor",
       [](auto&, auto&, auto& d) {
         d.duration_s = 1;
         d.other_read = 7_MiB;
         d.device_read = 8_MiB;
         d.device_write = Bytes{0};
       },
       "", ""},
      {"waiting for a stranger's disk before the phase",
       [](auto&, auto& b, auto&) {
         b.cpu_iowait_ratio = 0.3;
         b.device_read = 4_MiB;
         b.device_write = Bytes{0};
         b.other_read = 3_MiB;
       },
       "NOISE_BACKGROUND_IO", "30 % of the CPU time waited for the disk, of whose 4.00 MiB others"},
      {"waiting for our own files before the phase",
       [](auto&, auto& b, auto&) {
         b.cpu_iowait_ratio = 0.3;
         b.other_write = 2_MiB;
       },
       "", ""},
      {"the run itself waits for the disk", [](auto&, auto&, auto& d) { d.cpu_iowait_ratio = 0.9; },
       "", ""},
  });
}

TEST(Noise, CpuStealClockAndOtherWorkers) {
  ExpectNoise({
      {"a build beside us", [](auto&, auto&, auto& d) { d.cpu_other_ratio = 0.25; },
       "NOISE_BACKGROUND_CPU", "others took 25.0 % of the machine's CPU time, allowed are 10 %"},
      {"what a quiet VM does", [](auto&, auto&, auto& d) { d.cpu_other_ratio = 0.099; }, "", ""},
      {"stolen time", [](auto&, auto&, auto& d) { d.cpu_steal_ratio = 0.15; }, "NOISE_CPU_STEAL",
       "15.0 % of the CPU time was stolen"},
      {"a little of it", [](auto&, auto&, auto& d) { d.cpu_steal_ratio = 0.05; }, "", ""},
      {"a jump of the clock", [](auto&, auto&, auto& d) { d.clock_step_ms = 3600.0 * 1000; },
       "NOISE_CLOCK_STEP", "moved by 3600000 ms"},
      {"slewing", [](auto&, auto&, auto& d) { d.clock_step_ms = 100.0; }, "", ""},
      {"a second worker",
       [](auto& h, auto&, auto&) {
         h.other_workers = std::vector<OtherWorker>{{77, "vllm serve", "/kv/old"}};
       },
       "NOISE_OTHER_WORKER", "1 processes of somebody else, first 77 (vllm serve) with /kv/old"},
  });
}

TEST(Noise, HeatAndMemory) {
  ExpectNoise({
      {"throttled CPU", [](auto&, auto&, auto& d) { d.cpu_throttle_events = std::uint64_t{3}; },
       "NOISE_THROTTLED", "the CPU was throttled 3 times"},
      {"throttled from the start",
       [](auto&, auto& b, auto& d) { b.cooling_active = d.cooling_active = std::uint64_t{2}; },
       "NOISE_THROTTLED", "2 cooling devices were at work"},
      {"a GPU at its power limit",
       [](auto&, auto&, auto& d) {
         d.gpu_throttle_reasons = std::vector<std::string>{"power cap", "thermal"};
       },
       "NOISE_THROTTLED", "the GPU was held back by power cap, thermal"},
      {"a hot disk", [](auto&, auto&, auto& d) { d.nvme_celsius_max = 80.0; }, "NOISE_THROTTLED",
       "the disk reached 80 degrees Celsius"},
      {"swapping", [](auto&, auto&, auto& d) { d.pages_swapped_out = std::uint64_t{256}; },
       "NOISE_SWAP", "0 pages were swapped in and 256 out"},
      {"tidying up", [](auto&, auto&, auto& d) { d.pages_swapped_out = std::uint64_t{255}; }, "",
       ""},
      {"4 GiB: the floor is 256 MiB",
       [](auto&, auto&, auto& d) { d.mem_available_min = Bytes{(256 << 20) - 1}; },
       "NOISE_MEMORY_PRESSURE", "256.00 MiB of 4.00 GiB were available at the least"},
      {"128 GiB: the floor is 6.4 GiB",
       [](auto&, auto&, auto& d) {
         d.mem_total = Bytes{128ULL << 30};
         d.mem_available_min = Bytes{6ULL << 30};
       },
       "NOISE_MEMORY_PRESSURE",
       "6.00 GiB of 128.00 GiB were available at the least, the guard is "
       "6.40 GiB"},
      {"waiting for memory", [](auto&, auto&, auto& d) { d.memory_stall_ratio = 0.02; },
       "NOISE_MEMORY_PRESSURE", "tasks waited for memory 2.0 % of the time"},
      {"an OOM kill", [](auto&, auto&, auto& d) { d.oom_kills = std::uint64_t{1}; },
       "NOISE_MEMORY_PRESSURE", "killed 1 processes"},
  });
}

TEST(Noise, AGuardWithoutItsInputsFailsClosed) {
  ExpectNoise({
      {"device", [](auto&, auto&, auto& d) { d.other_read = GoneHere<Bytes>("no KV device"); },
       "NOISE_GUARD_BLIND", "background I/O: no KV device"},
      {"CPU", [](auto&, auto&, auto& d) { d.cpu_other_ratio = GoneHere<double>(); },
       "NOISE_GUARD_BLIND", "background CPU: planted"},
      {"memory", [](auto&, auto&, auto& d) { d.mem_available_min = GoneHere<Bytes>(); },
       "NOISE_GUARD_BLIND", "memory: planted"},
      {"swap", [](auto&, auto&, auto& d) { d.pages_swapped_in = GoneHere<std::uint64_t>(); },
       "NOISE_GUARD_BLIND", "swap: planted"},
      {"clock", [](auto&, auto&, auto& d) { d.clock_step_ms = GoneHere<double>(); },
       "NOISE_GUARD_BLIND", "clock: planted"},
      {"other workers",
       [](auto& h, auto&, auto&) { h.other_workers = GoneHere<std::vector<OtherWorker>>(); },
       "NOISE_GUARD_BLIND", "other workers: planted"},
      {"the whole phase",
       [](auto& h, auto&, auto&) { h.during = GoneHere<HostWindow>("the recorder died"); },
       "NOISE_GUARD_BLIND", "the phase was not watched: the recorder died"},
  });
}

TEST(Noise, MissingSensorsAreOneNoteALeg) {
  LegEvidence leg = MakeLeg(TierMode::kB2, 50);
  for (PhaseEvidence& phase : leg.phases) {
    HostWindow w = *phase.host.during;
    w.cpu_throttle_events = w.cooling_active = GoneHere<std::uint64_t>("no thermal zone");
    w.gpu_throttle_reasons = GoneHere<std::vector<std::string>>("no GPU");
    w.nvme_celsius_max = GoneHere<double>("vda is no NVMe disk");
    w.memory_stall_ratio = GoneHere<double>("no PSI");
    phase.host.during = w;
    phase.host.before = GoneHere<HostWindow>("the leg had just begun");
  }
  const Findings findings = CheckNoise(leg);
  ASSERT_EQ(findings.size(), 1u) << FindingsText(findings);
  EXPECT_EQ(findings[0].severity, Severity::kNote);
  EXPECT_EQ(findings[0].phase, "");
  for (const char* text : {"CPU throttle counters: no thermal zone", "GPU throttle reasons: no GPU",
                           "temperature of the KV disk: vda is no NVMe disk",
                           "memory pressure: no PSI", "before a phase: the leg had just begun"}) {
    EXPECT_THAT(findings[0].detail, HasSubstr(text));
  }
}

TEST(Noise, ShortWindowsAreNotJudgedByRate) {
  LegEvidence leg = MakeLeg(TierMode::kB2, 50);
  HostWindow w = *Replay(leg).host.during;
  w.duration_s = 0.4;
  w.other_read = 900_MiB;
  w.cpu_other_ratio = 0.9;
  w.memory_stall_ratio = 0.5;
  Replay(leg).host.during = w;
  Findings findings = CheckNoise(leg);
  ASSERT_EQ(findings.size(), 1u) << FindingsText(findings);
  EXPECT_EQ(findings[0].severity, Severity::kNote);
  EXPECT_THAT(findings[0].detail, HasSubstr("too short to judge rates: replay (0.40 s)"));
  w.oom_kills = std::uint64_t{1};  // an event is one however short the window
  Replay(leg).host.during = w;
  EXPECT_TRUE(Has(CheckNoise(leg), Reason::kNoiseMemoryPressure));
}

TEST(Noise, TelemetryOffIsSaidOnceALeg) {
  LegEvidence leg = MakeLeg(TierMode::kB2, 50);
  for (PhaseEvidence& phase : leg.phases) phase.host = HostEvidence();
  Findings findings = CheckNoise(leg);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(Code(findings[0].reason), "TELEMETRY_OFF");
  EXPECT_EQ(findings[0].severity, Severity::kSoft);
  EXPECT_EQ(findings[0].detail, "no phase was watched: not collected");
  // Watched in part is not off: the rest is blind.
  leg.phases[0].host = test::QuietHost();
  EXPECT_THAT(Codes(CheckNoise(leg)), ElementsAre("NOISE_GUARD_BLIND"));
  EXPECT_THAT(CheckNoise(LegEvidence()), IsEmpty());
}

TEST(Noise, MissedTicksAreNoted) {
  const auto health = [](std::uint64_t due, std::uint64_t missed, std::uint64_t dropped) {
    return [=](HostEvidence& h, HostWindow&, HostWindow&) {
      RecorderHealth r;
      r.ticks_due = due;
      r.ticks_missed = missed;
      r.rows_dropped = dropped;
      h.recorder = r;
    };
  };
  ExpectNoise({
      {"1 %", health(1000, 10, 0), "TELEMETRY_MISSED_TICKS", "10 of 1000 readings were missed"},
      {"less", health(1000, 9, 0), "", ""},
      {"nothing was due", health(0, 0, 0), "", ""},
      {"rows were lost", health(1000, 0, 2), "TELEMETRY_MISSED_TICKS", "2 rows were dropped"},
  });
}

TEST(Noise, ADiskThatThrottledDuringTheLeg) {
  LegEvidence leg = MakeLeg(TierMode::kB2, 50);
  SmartReading after = *leg.storage.after;
  after.thermal_throttle_transitions = std::uint64_t{4};
  after.celsius = 81.0;
  leg.storage.after = after;
  const Findings findings = CheckNoise(leg);
  ASSERT_THAT(Codes(findings), ElementsAre("NOISE_THROTTLED"));
  EXPECT_THAT(findings[0].detail, HasSubstr("transitions grew from 0 to 4"));
  EXPECT_THAT(findings[0].detail, HasSubstr("81 degrees Celsius after the leg"));
}

/// A change of the storage evidence, its codes and a text of the first finding.
struct Disk {
  std::string name;
  std::function<void(LegEvidence&, SmartReading& before, SmartReading& after)> plant;
  std::vector<std::string> codes;
  std::string detail;
};

TEST(Storage, DescribedHealthyAndTheSame) {
  const std::vector<Disk> table{
      {"all is well", [](auto&, auto&, auto&) {}, {}, ""},
      {"a virtual disk has no log",
       [](auto& l, auto&, auto&) {
         l.storage.identity.controller = l.storage.identity.name_space = "";
         l.storage.before = l.storage.after = GoneHere<SmartReading>("no NVMe disk");
       },
       {},
       ""},
      {"an NVMe disk without its log",
       [](auto& l, auto&, auto&) { l.storage.after = GoneHere<SmartReading>("permission denied"); },
       {"STORAGE_EVIDENCE_MISSING"},
       "health log after the leg: permission denied"},
      {"no identity",
       [](auto& l, auto&, auto&) { l.storage = StorageEvidence(); },
       {"STORAGE_EVIDENCE_MISSING"},
       "the disk of the KV cache is unknown"},
      {"a stale identity",
       [](auto& l, auto&, auto&) {
         for (auto& phase : l.phases) phase.io.block_device = "nvme1n1";
       },
       {"STORAGE_CHANGED"},
       "the counters are of nvme1n1, the disk that was described is /dev/nvme0n1"},
      {"a volume above the disk that was described",
       [](auto& l, auto&, auto&) {
         for (auto& phase : l.phases) phase.io.block_device = "dm-0";
       },
       {},
       ""},
      {"the log of another disk",
       [](auto&, auto&, auto& after) { after.power_on_hours = std::uint64_t{7}; },
       {"STORAGE_CHANGED"},
       "power-on hours fell from 100 to 7"},
      {"a critical warning",
       [](auto&, auto&, auto& after) { after.critical_warning = std::uint64_t{4}; },
       {"STORAGE_UNHEALTHY"},
       "critical warning 0x4 after the leg"},
      {"one that went away",
       [](auto&, auto& before, auto&) { before.critical_warning = std::uint64_t{2}; },
       {"STORAGE_UNHEALTHY"},
       "critical warning 0x2 before the leg"},
      {"one that was there before, and is not counted twice",
       [](auto&, auto& before, auto& after) {
         before.critical_warning = after.critical_warning = std::uint64_t{1};
       },
       {"STORAGE_UNHEALTHY"},
       "critical warning 0x1"},
      {"new media errors",
       [](auto&, auto&, auto& after) { after.media_errors = std::uint64_t{2}; },
       {"STORAGE_UNHEALTHY"},
       "media errors grew from 0 to 2"},
      {"a worn disk, which is a note",
       [](auto&, auto& before, auto&) { before.percentage_used = 104.0; },
       {"STORAGE_UNHEALTHY"},
       "104 % of the disk's estimated life"},
      {"old media errors",
       [](auto&, auto& before, auto& after) {
         before.media_errors = after.media_errors = std::uint64_t{2};
       },
       {},
       ""},
  };
  for (const Disk& disk : table) {
    LegEvidence leg = MakeLeg(TierMode::kB2, 50);
    SmartReading before = *leg.storage.before;
    SmartReading after = *leg.storage.after;
    disk.plant(leg, before, after);
    if (leg.storage.before.available()) leg.storage.before = before;
    if (leg.storage.after.available()) leg.storage.after = after;
    const Findings findings = CheckStorageEvidence(leg);
    EXPECT_EQ(Codes(findings), disk.codes) << disk.name << "\n" << FindingsText(findings);
    EXPECT_TRUE(Passes(findings)) << disk.name;
    if (!disk.detail.empty() && !findings.empty()) {
      EXPECT_THAT(findings[0].detail, HasSubstr(disk.detail)) << disk.name;
    }
  }
}

TEST(Storage, AcrossLegs) {
  const LegEvidence first = MakeLeg(TierMode::kB1, 50, "run_a");
  LegEvidence leg = MakeLeg(TierMode::kB2, 50, "run_b");
  EXPECT_THAT(CheckStorageAcross(first, leg), IsEmpty());
  leg.storage.identity.firmware = "F2";
  EXPECT_THAT(Codes(CheckStorageAcross(first, leg)), ElementsAre("STORAGE_CHANGED"));
  leg.storage = StorageEvidence();  // STORAGE_EVIDENCE_MISSING says that
  EXPECT_THAT(CheckStorageAcross(first, leg), IsEmpty());
}

}  // namespace
}  // namespace kvtier
