#include <algorithm>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "telemetry/os/block_device.hpp"
#include "telemetry/os/fields.hpp"
#include "telemetry/os/proc_text.hpp"

namespace kvtier {
namespace {

constexpr std::uint64_t kSectorBytes = 512;  // of these files, whatever the device's own sector is
constexpr int kFields = 11;                  // since Linux 2.6; later ones were appended

/// The fields after the device; empty when one of the first 11 is missing.
std::optional<DiskCounters> ParseFields(Fields fields) {
  std::uint64_t v[kFields] = {};
  for (std::uint64_t& value : v) {
    const auto number = fields.Number<std::uint64_t>();
    if (!number) return std::nullopt;
    value = *number;
  }
  DiskCounters c;
  c.read_ios = v[0];
  c.read_merges = v[1];
  c.read = Bytes{v[2] * kSectorBytes};
  c.read_ms = v[3];
  c.write_ios = v[4];
  c.write_merges = v[5];
  c.write = Bytes{v[6] * kSectorBytes};
  c.write_ms = v[7];
  c.in_flight = v[8];
  c.busy_ms = v[9];
  c.queue_ms = v[10];
  const auto next = [&](const char* since) {
    const auto number = fields.Number<std::uint64_t>();
    return number ? Reading<std::uint64_t>(*number) : Reading<std::uint64_t>::Unavailable(since);
  };
  constexpr const char* kNoDiscards = "this kernel counts no discards (Linux 4.18)";
  c.discard_ios = next(kNoDiscards);
  (void)next(kNoDiscards);  // merges
  c.discarded = next(kNoDiscards).Map([](std::uint64_t n) { return Bytes{n * kSectorBytes}; });
  c.discard_ms = next(kNoDiscards);
  constexpr const char* kNoFlushes = "this kernel counts no flushes (Linux 5.5)";
  c.flush_ios = next(kNoFlushes);
  c.flush_ms = next(kNoFlushes);
  return c;
}

/// Name of the first counter that fell; empty when none did.
const char* Fallen(const DiskCounters& before, const DiskCounters& after) {
  if (after.read < before.read) return "bytes read";
  if (after.write < before.write) return "bytes written";
  constexpr struct {
    std::uint64_t DiskCounters::*member;
    const char* name;
  } kCounters[] = {
      {&DiskCounters::read_ios, "reads"},           {&DiskCounters::write_ios, "writes"},
      {&DiskCounters::read_merges, "merged reads"}, {&DiskCounters::write_merges, "merged writes"},
      {&DiskCounters::read_ms, "time of reads"},    {&DiskCounters::write_ms, "time of writes"},
      {&DiskCounters::busy_ms, "busy time"},        {&DiskCounters::queue_ms, "time in the queue"},
  };
  for (const auto& counter : kCounters) {
    if (after.*counter.member < before.*counter.member) return counter.name;
  }
  return "";
}

Reading<double> Mean(double sum, double count, const char* what) {
  return count > 0 ? Reading<double>(sum / count)
                   : Reading<double>::Unavailable(fmt::format("no {} ended in the window", what));
}

}  // namespace

Reading<DiskCounters> ParseDiskstats(std::string_view text, std::string_view device) {
  auto found =
      Reading<DiskCounters>::Unavailable(fmt::format("{} is not in /proc/diskstats", device));
  ForEachLine(text, [&](std::string_view line) {
    Fields fields(line);
    fields.Skip(2);  // major, minor
    if (const std::string_view name = fields.Next(); name.empty() || name != device) return;
    const auto counters = ParseFields(fields);
    found = counters ? Reading<DiskCounters>(*counters)
                     : Reading<DiskCounters>::Unavailable(fmt::format(
                           "the line of {} in /proc/diskstats has no {} numbers", device, kFields));
  });
  return found;
}

Reading<DiskCounters> ParseBlockStat(std::string_view text) {
  const auto counters = ParseFields(Fields(text));
  return counters ? Reading<DiskCounters>(*counters)
                  : Reading<DiskCounters>::Unavailable(
                        fmt::format("the stat file of the device has no {} numbers", kFields));
}

Reading<DiskCounters> ReadDiskCounters(std::string_view device, const OsRoots& roots) {
  auto counters = ProcText(roots.proc / "diskstats").Parse([&](std::string_view text) {
    return ParseDiskstats(text, device);
  });
  if (counters || device.empty()) return counters;
  std::string folder(device);
  std::replace(folder.begin(), folder.end(), '/', '!');  // as sysfs spells "cciss/c0d0"
  for (const char* base : {"block", "class/block"}) {
    auto stat = ProcText(roots.sys / base / folder / "stat").Parse(ParseBlockStat);
    if (stat) return stat;
  }
  return counters;
}

Reading<DiskRates> DiskRatesBetween(const DiskCounters& before, const DiskCounters& after,
                                    double seconds) {
  if (!(seconds > 0))
    return Reading<DiskRates>::Unavailable("no time passed between the two readings of the disk");
  if (const std::string what = Fallen(before, after); !what.empty()) {
    return Reading<DiskRates>::Unavailable(
        fmt::format("counter_reset: {} of the disk went backwards", what));
  }
  const auto rise = [&](std::uint64_t DiskCounters::*member) {
    return static_cast<double>(after.*member - before.*member);
  };
  const double reads = rise(&DiskCounters::read_ios), writes = rise(&DiskCounters::write_ios);
  const auto read = static_cast<double>(after.read.value - before.read.value);
  const auto written = static_cast<double>(after.write.value - before.write.value);
  DiskRates rates;
  rates.seconds = seconds;
  rates.reads_per_s = reads / seconds;
  rates.writes_per_s = writes / seconds;
  rates.read_bytes_per_s = read / seconds;
  rates.write_bytes_per_s = written / seconds;
  rates.read_merges_per_s = rise(&DiskCounters::read_merges) / seconds;
  rates.write_merges_per_s = rise(&DiskCounters::write_merges) / seconds;
  rates.queue_depth = rise(&DiskCounters::queue_ms) / 1e3 / seconds;
  rates.busy_ratio = rise(&DiskCounters::busy_ms) / 1e3 / seconds;
  rates.read_await_ms = Mean(rise(&DiskCounters::read_ms), reads, "read");
  rates.write_await_ms = Mean(rise(&DiskCounters::write_ms), writes, "write");
  rates.read_request_bytes = Mean(read, reads, "read");
  rates.write_request_bytes = Mean(written, writes, "write");
  return rates;
}

}  // namespace kvtier
