#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "telemetry/os/block_device.hpp"
#include "telemetry/os/fake_tree.hpp"

namespace kvtier {
namespace {

using ::testing::HasSubstr;
class FakeDisk : public ::testing::Test, protected FakeTree {};

constexpr const char* kDiskstats =
    " 254       0 vda 100 5 2048 30 200 6 4096 40 3 50 70 11 1 12 13 14 15\n"
    " 259       0 nvme0n1 1 0 8 0 2 0 16 0 0 0 0\n";

TEST(Diskstats, SectorsBecomeBytes) {
  const auto vda = ParseDiskstats(kDiskstats, "vda");
  ASSERT_TRUE(vda.available()) << vda.reason();
  EXPECT_EQ(vda->read_ios, 100u);
  EXPECT_EQ(vda->write_ios, 200u);
  EXPECT_EQ(vda->read, Bytes{2048 * 512});
  EXPECT_EQ(vda->write, Bytes{4096 * 512});
  EXPECT_EQ(vda->read_merges, 5u);
  EXPECT_EQ(vda->write_merges, 6u);
  EXPECT_EQ(vda->read_ms, 30u);
  EXPECT_EQ(vda->write_ms, 40u);
  EXPECT_EQ(vda->in_flight, 3u);
  EXPECT_EQ(vda->busy_ms, 50u);
  EXPECT_EQ(vda->queue_ms, 70u);
  EXPECT_EQ(*vda->discard_ios, 11u);
  EXPECT_EQ(*vda->discarded, Bytes{12 * 512});
  EXPECT_EQ(*vda->discard_ms, 13u);
  EXPECT_EQ(*vda->flush_ios, 14u);
  EXPECT_EQ(*vda->flush_ms, 15u);
}

TEST(Diskstats, AnOlderKernelCountsNoDiscardsWhichIsNotZero) {
  const auto old = ParseDiskstats(kDiskstats, "nvme0n1");
  EXPECT_EQ(old->read, Bytes{8 * 512});
  EXPECT_THAT(old->discard_ios.reason(), HasSubstr("Linux 4.18"));
  EXPECT_THAT(old->flush_ms.reason(), HasSubstr("Linux 5.5"));
}

TEST(Diskstats, ShortOrForeignLinesAreUnavailable) {
  EXPECT_THAT(ParseDiskstats(kDiskstats, "nvme0").reason(), HasSubstr("nvme0 is not in"));
  EXPECT_FALSE(ParseDiskstats(kDiskstats, "").available());
  EXPECT_THAT(ParseDiskstats("254 0 vda 1 2 3\n", "vda").reason(), HasSubstr("no 11 numbers"));
  EXPECT_FALSE(ParseDiskstats("254 0 vda 1 2 x 4 5 6 7 8 9 10 11\n", "vda").available());
}

TEST_F(FakeDisk, SysfsStandsInForDiskstats) {
  EXPECT_THAT(ReadDiskCounters("vda", roots_).reason(), HasSubstr("diskstats"));
  Put("sys/class/block/vda/stat", "  1 2 3 4 5 6 7 8 9 10 11\n");
  EXPECT_EQ(ReadDiskCounters("vda", roots_)->queue_ms, 11u);
  Put("sys/block/vda/stat", "  21 2 3 4 5 6 7 8 9 10 11 1 1 1 1 1 1\n");
  EXPECT_EQ(ReadDiskCounters("vda", roots_)->read_ios, 21u);
  Put("sys/block/cciss!c0d0/stat", "31 2 3 4 5 6 7 8 9 10 11\n");
  EXPECT_EQ(ReadDiskCounters("cciss/c0d0", roots_)->read_ios, 31u);
  Put("proc/diskstats", kDiskstats);
  EXPECT_EQ(ReadDiskCounters("vda", roots_)->read_ios, 100u) << "diskstats comes first";
}

TEST(DiskRates, ByHand) {
  DiskCounters before, after;
  before.read_ios = 100;
  after.read_ios = 500;  // 400 reads
  before.read = Bytes{1000};
  after.read = Bytes{1000 + 400 * 4096};
  after.read_ms = 800;     // 2 ms each
  after.read_merges = 20;  // 10 a second
  after.write_ios = 10;    // 5 a second
  after.write = Bytes{10 * 131072};
  after.write_ms = 50;     // 5 ms each
  after.write_merges = 4;  // 2 a second
  after.busy_ms = 1500;    // of 2000
  after.queue_ms = 7000;   // 3.5 in flight
  after.in_flight = 0;
  before.in_flight = 9;  // a gauge may fall
  const auto rates = DiskRatesBetween(before, after, 2.0);
  ASSERT_TRUE(rates.available()) << rates.reason();
  EXPECT_DOUBLE_EQ(rates->reads_per_s, 200);
  EXPECT_DOUBLE_EQ(rates->writes_per_s, 5);
  EXPECT_DOUBLE_EQ(rates->read_bytes_per_s, 200 * 4096);
  EXPECT_DOUBLE_EQ(rates->write_bytes_per_s, 5 * 131072);
  EXPECT_DOUBLE_EQ(rates->read_merges_per_s, 10);
  EXPECT_DOUBLE_EQ(rates->write_merges_per_s, 2);
  EXPECT_DOUBLE_EQ(*rates->read_await_ms, 2);
  EXPECT_DOUBLE_EQ(*rates->write_await_ms, 5);
  EXPECT_DOUBLE_EQ(*rates->read_request_bytes, 4096);
  EXPECT_DOUBLE_EQ(*rates->write_request_bytes, 131072);
  EXPECT_DOUBLE_EQ(rates->queue_depth, 3.5);
  EXPECT_DOUBLE_EQ(rates->busy_ratio, 0.75);
}

TEST(DiskRates, WithoutRequestsThereIsNoMeanTime) {
  const auto rates = DiskRatesBetween({}, {}, 1.0);
  ASSERT_TRUE(rates.available());
  EXPECT_DOUBLE_EQ(rates->reads_per_s, 0);
  EXPECT_EQ(rates->read_await_ms.reason(), "no read ended in the window");
  EXPECT_EQ(rates->write_request_bytes.reason(), "no write ended in the window");
}

TEST(DiskRates, ACounterThatFellOrNoTimeIsUnavailable) {
  for (auto member : {&DiskCounters::read_ios, &DiskCounters::write_ios, &DiskCounters::read_merges,
                      &DiskCounters::write_merges, &DiskCounters::read_ms, &DiskCounters::write_ms,
                      &DiskCounters::busy_ms, &DiskCounters::queue_ms}) {
    DiskCounters before;
    before.*member = 0xffffffff;  // the kernel's 32 bits of milliseconds wrapped, or a reset
    EXPECT_THAT(DiskRatesBetween(before, {}, 1.0).reason(), HasSubstr("counter_reset: "));
  }
  DiskCounters before;
  before.read = Bytes{1};
  EXPECT_THAT(DiskRatesBetween(before, {}, 1.0).reason(), HasSubstr("bytes read"));
  before = {};
  before.write = Bytes{1};
  EXPECT_THAT(DiskRatesBetween(before, {}, 1.0).reason(), HasSubstr("bytes written"));
  EXPECT_THAT(DiskRatesBetween({}, {}, 0).reason(), HasSubstr("no time passed"));
  EXPECT_FALSE(DiskRatesBetween({}, {}, -1).available());
}

TEST(GoldenSpark, TheKvDisk) {
  const auto disk = WholeDisk(259, 2, GoldenSpark());
  ASSERT_TRUE(disk.available()) << disk.reason();
  EXPECT_EQ(disk->name, "nvme0n1");
  const auto counters = ReadDiskCounters(disk->name, GoldenSpark());
  ASSERT_TRUE(counters.available()) << counters.reason();
  EXPECT_EQ(counters->read, Bytes{400000000ull * 512});
  EXPECT_EQ(counters->in_flight, 7u);
  EXPECT_EQ(*counters->discarded, Bytes{96000000ull * 512});
  EXPECT_EQ(*counters->flush_ms, 6000u);
  EXPECT_EQ(FilesystemTypeOf("/mnt/nvme/kvbm", GoldenSpark()), "ext4");
}

}  // namespace
}  // namespace kvtier
