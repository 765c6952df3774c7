#include "harness/report/junit_merge.hpp"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/core/error.hpp"
#include "harness/core/files.hpp"
#include "harness/report/sample_leg.hpp"

namespace kvtier {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// As ctest 3.25 writes it.
constexpr const char* kCtest = R"(<?xml version="1.0" encoding="UTF-8"?>
<testsuite name="Linux-c++" tests="3" failures="1" disabled="0" skipped="0" timestamp="2026-11-22T01:45:10">
	<testcase name="Phase70_B1B2_reference/Phase70.PairedExperiment/reference" classname="Phase70_B1B2_reference/Phase70.PairedExperiment/reference" time="321.5" status="run">
		<system-out>verdict=BETTER
a &lt; b &amp; c</system-out>
	</testcase>
	<testcase name="Phase70_B1B2_reference/Phase70.Effect/reference" classname="Phase70_B1B2_reference/Phase70.Effect/reference" time="0.1" status="fail">
		<failure message=""/>
		<system-out/>
	</testcase>
	<testcase name="unit.Csv.Works" classname="unit.Csv.Works" time="0.01" status="run"/>
</testsuite>
)";

constexpr const char* kGtest = R"(<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="1" failures="0" name="AllTests">
  <testsuite name="Phase70_B1B2_reference/Phase70" tests="1">
    <testcase name="PairedExperiment/reference" value_param="reference" status="run" result="completed" time="321.4" classname="Phase70_B1B2_reference/Phase70">
      <properties>
        <property name="verdict" value="BETTER"/>
        <property name="reason_codes" value="FILTER_DISABLED &amp; &lt;more&gt;"/>
      </properties>
    </testcase>
    <testcase name="Effect/reference" status="notrun" classname="Phase70_B1B2_reference/Phase70"/>
  </testsuite>
</testsuites>
)";

TEST(JunitMerge, CasesKeepTheirResultAndGetTheirProperties) {
  const fs::path dir = sample::Scratch("junit");
  WriteFileAtomic(dir / "ctest.xml", kCtest);
  WriteFileAtomic(dir / "gtest/Phase70_B1B2_reference/Phase70.PairedExperiment.xml", kGtest);
  const auto result = MergeJunit(dir / "ctest.xml", FindXmlFiles(dir / "gtest"), dir / "junit.xml");
  EXPECT_EQ(result.cases, 3);
  EXPECT_EQ(result.with_properties, 1);
  EXPECT_THAT(result.ignored, ElementsAre());
  const std::string text = ReadFile(dir / "junit.xml");
  EXPECT_THAT(text, HasSubstr("time=\"321.5\" status=\"run\">\n\t\t<properties>\n\t\t\t<property "
                              "name=\"verdict\" value=\"BETTER\"/>"));
  EXPECT_THAT(text, HasSubstr("value=\"FILTER_DISABLED &amp; &lt;more&gt;\""));
  EXPECT_THAT(text, HasSubstr("verdict=BETTER\na &lt; b &amp; c</system-out>"));
  EXPECT_THAT(text, HasSubstr("<failure message=\"\"/>"));
  EXPECT_THAT(text, HasSubstr("name=\"unit.Csv.Works\""));
  // What was merged can be merged again: it is the same kind of file.
  EXPECT_EQ(MergeJunit(dir / "junit.xml", {}, dir / "again.xml").cases, 3);
}

TEST(JunitMerge, TornAndForeignFilesAreNamedAndLeftOut) {
  const fs::path dir = sample::Scratch("junit_torn");
  WriteFileAtomic(dir / "ctest.xml", kCtest);
  WriteFileAtomic(dir / "torn.xml", std::string(kGtest).substr(0, 400));
  WriteFileAtomic(
      dir / "other.xml",
      R"(<testsuites><testsuite name="S"><testcase name="C" classname="S"><properties/></testcase></testsuite></testsuites>)");
  const auto result =
      MergeJunit(dir / "ctest.xml", {dir / "torn.xml", dir / "other.xml"}, dir / "junit.xml");
  EXPECT_EQ(result.with_properties, 0);
  ASSERT_EQ(result.ignored.size(), 2U);
  EXPECT_THAT(result.ignored[0], HasSubstr("torn.xml is not XML"));
  EXPECT_THAT(result.ignored[1], HasSubstr("ctest lists no case S.C"));
}

TEST(JunitMerge, AnUnusableCtestFileIsAnError) {
  const fs::path dir = sample::Scratch("junit_bad");
  EXPECT_THROW(MergeJunit(dir / "none.xml", {}, dir / "junit.xml"), IoError);
  WriteFileAtomic(dir / "html.xml", "<html/>");
  EXPECT_THROW(MergeJunit(dir / "html.xml", {}, dir / "junit.xml"), DataError);
  EXPECT_FALSE(fs::exists(dir / "junit.xml"));
}

TEST(JunitMerge, FilesOfAnEarlierRunCanBeLeftOut) {
  const fs::path dir = sample::Scratch("junit_old");
  WriteFileAtomic(dir / "a/old.xml", kGtest);
  WriteFileAtomic(dir / "b.xml", kGtest);
  WriteFileAtomic(dir / "c.txt", "");
  const auto now = fs::file_time_type::clock::now();
  fs::last_write_time(dir / "a/old.xml", now - std::chrono::hours(1));
  fs::last_write_time(dir / "b.xml", now);
  EXPECT_THAT(FindXmlFiles(dir, now - std::chrono::minutes(1)), ElementsAre(dir / "b.xml"));
  EXPECT_EQ(FindXmlFiles(dir).size(), 2U);
  EXPECT_TRUE(FindXmlFiles(dir / "none").empty());
}

}  // namespace
}  // namespace kvtier
