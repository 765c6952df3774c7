#include "harness/report/figures/svg.hpp"

#include <cmath>
#include <limits>
#include <locale>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/report/figures/axis.hpp"
#include "harness/report/figures/sheet.hpp"
#include "harness/report/figures/svg_checks.hpp"

namespace kvtier {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(SvgText, IsEscapedWhereverItMayComeFrom) {
  EXPECT_EQ(EscapeXml("<script>\"a\" & 'b'</script>"),
            "&lt;script&gt;&quot;a&quot; &amp; &#39;b&#39;&lt;/script&gt;");
  EXPECT_EQ(EscapeXml("a\nb\tc\rd"), "a b c d");
  EXPECT_EQ(EscapeXml(std::string("a\0b\x1b", 4)),
            "a\xEF\xBF\xBD"
            "b\xEF\xBF\xBD");
  EXPECT_EQ(EscapeXml("\xC3\xA9 \xE2\x80\xA6 \xF0\x9F\x98\x80"),
            "\xC3\xA9 \xE2\x80\xA6 \xF0\x9F\x98\x80");
}

TEST(SvgText, BrokenUtf8BecomesTheReplacementCharacter) {
  const std::string bad = "\xEF\xBF\xBD";
  EXPECT_EQ(EscapeXml("\xFF"), bad);
  EXPECT_EQ(EscapeXml("\xC3"), bad);                      // cut
  EXPECT_EQ(EscapeXml("\xC0\xAF"), bad + bad);            // overlong
  EXPECT_EQ(EscapeXml("\xED\xA0\x80"), bad + bad + bad);  // surrogate
  EXPECT_EQ(EscapeXml("\xEF\xBF\xBE"), bad);              // U+FFFE
}

TEST(SvgNumber, HasTwoDecimalsInEveryLocale) {
  struct Comma : std::numpunct<char> {
    char do_decimal_point() const override { return ','; }
    char do_thousands_sep() const override { return '.'; }
    std::string do_grouping() const override { return "\3"; }
  };
  const std::locale before = std::locale::global(std::locale(std::locale(), new Comma));
  EXPECT_EQ(SvgNumber(1234.5678), "1234.57");
  EXPECT_EQ(ShortNumber(1234.5), "1234");
  EXPECT_EQ(PercentOf(std::log(1.5)), "+50.0 %");
  std::locale::global(before);
  EXPECT_EQ(SvgNumber(2), "2");
  EXPECT_EQ(SvgNumber(0.5), "0.5");
  EXPECT_EQ(SvgNumber(-0.001), "0");
  EXPECT_THROW(SvgNumber(std::nan("")), std::invalid_argument);
  EXPECT_THROW(SvgNumber(std::numeric_limits<double>::infinity()), std::invalid_argument);
}

TEST(SvgText, IsShortenedBetweenCharacters) {
  EXPECT_EQ(Shorten("short", 100, 10), "short");
  const std::string text = "\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9";
  const std::string cut = Shorten(text, 35, 10);
  EXPECT_EQ(EscapeXml(cut), cut);  // no half character
  EXPECT_LE(TextWidth(cut, 10), 35);
  EXPECT_THAT(cut, HasSubstr("\xE2\x80\xA6"));
  EXPECT_EQ(Shorten("abc", 1, 10), "");
}

TEST(SvgText, IsWrappedIntoLinesThatFit) {
  const auto lines = WrapText("one two three four five six seven eight nine ten", 80, 10, 3);
  EXPECT_EQ(lines.size(), 3U);
  for (const std::string& line : lines) EXPECT_LE(TextWidth(line, 10), 80) << line;
  EXPECT_THAT(lines.back(), HasSubstr("\xE2\x80\xA6"));
  EXPECT_THAT(WrapText(" a  b ", 80, 10, 3), ElementsAre("a b"));
  EXPECT_THAT(WrapText("", 80, 10, 3), IsEmpty());
  for (const std::string& line : WrapText(std::string(300, 'x') + " end", 80, 10, 4))
    EXPECT_LE(TextWidth(line, 10), 80);
}

TEST(Svg, IsReadBackByAParser) {
  Svg svg(100, 50, "a <title>", "d & e");
  svg.Rect({1, 2, 3, 4}, {.fill = "#000000"});
  svg.Polyline({{1, 1}, {2, 2}}, {.stroke = "#000000", .dash = "2 2", .opacity = 0.5});
  svg.Polyline({{1, 1}}, {.stroke = "#000000"});  // nothing
  svg.Text({10, 20}, "<script>alert(1)</script>");
  const test::Drawing d = test::ReadDrawing(svg.Finish());
  EXPECT_EQ(d.title, "a <title>");
  EXPECT_EQ(d.description, "d & e");
  EXPECT_THAT(d.texts, ElementsAre("<script>alert(1)</script>"));
  EXPECT_EQ(d.elements.at("polyline"), 1);
  EXPECT_EQ(d.elements.count("script"), 0U);
  EXPECT_THROW(svg.Circle({std::nan(""), 1}, 1, {}), std::invalid_argument);
}

void ExpectSoundTicks(const Axis& axis, double gap_px) {
  ASSERT_GE(axis.ticks.size(), 1U);
  for (std::size_t i = 0; i < axis.ticks.size(); ++i) {
    const Tick& t = axis.ticks[i];
    EXPECT_GE(t.value, axis.low - 1e-9 * std::abs(axis.low));
    EXPECT_LE(t.value, axis.high + 1e-9 * std::abs(axis.high));
    EXPECT_FALSE(t.label.empty());
    if (i == 0) continue;
    EXPECT_GT(t.value, axis.ticks[i - 1].value);
    EXPECT_NE(t.label, axis.ticks[i - 1].label);
    EXPECT_GE(std::abs(axis.At(t.value) - axis.At(axis.ticks[i - 1].value)), gap_px);
  }
}

TEST(Axis, HasRoundTicksOverManyDecades) {
  for (double low = 1e-6; low < 1e9; low *= 3.7) {
    for (const double ratio : {1.0, 1.001, 1.3, 4.0, 70.0, 1e5}) {
      SCOPED_TRACE(fmt::format("{} to {}", low, low * ratio));
      ExpectSoundTicks(LinearAxis(low, low * ratio, 300, 0, 6), 20);
      ExpectSoundTicks(LogAxis(low, low * ratio, 300, 0, 8), 4);
      const Axis log = LogAxis(low, low * ratio, 300, 0, 8);
      EXPECT_GT(log.At(low), log.At(low * ratio) - 1e-9);
      EXPECT_LE(log.ticks.size(), 8U);
    }
  }
}

TEST(Axis, PercentTicksLieApartAndHoldZero) {
  for (const auto& [low, high] : {std::pair{-4.0, 0.05},
                                  {-0.05, 0.05},
                                  {-0.7, 0.7},
                                  {0.0, 6.0},
                                  {-0.004, 0.001},
                                  {-1.9, 0.1}}) {
    SCOPED_TRACE(fmt::format("{} to {}", low, high));
    const Axis axis = PercentAxis(low, high, 0, 330, 52);
    ExpectSoundTicks(axis, 51.9);
    EXPECT_TRUE(std::any_of(axis.ticks.begin(), axis.ticks.end(),
                            [](const Tick& t) { return t.label == "0 %"; }));
    EXPECT_GE(axis.ticks.size(), 2U);
  }
}

TEST(Axis, KnownTicks) {
  const auto labels = [](const Axis& axis) {
    std::vector<std::string> out;
    for (const Tick& t : axis.ticks) out.push_back(t.label);
    return out;
  };
  EXPECT_THAT(labels(CountAxis(320, 100, 0, 4)), ElementsAre("0", "200", "400"));
  EXPECT_THAT(labels(LinearAxis(0, 1, 0, 100, 3)), ElementsAre("0.0", "0.5", "1.0"));
  EXPECT_THAT(labels(LogAxis(20, 200, 0, 300, 8)), ElementsAre("20", "50", "100", "200"));
  EXPECT_THAT(labels(LogAxisAt({1, 2, 4, 8}, 0, 300, 26)), ElementsAre("1", "2", "4", "8"));
  EXPECT_THAT(labels(CountAxis(0, 100, 0, 4)), Each(testing::Not(IsEmpty())));
}

TEST(ReasonList, TellsHowOftenAndWhere) {
  ReasonList list;
  for (int i = 1; i <= 6; ++i) list.Add("no counter", fmt::format("pair {}", i));
  list.Add("gone", "pair 9");
  list.Add("other", "pair 9");
  EXPECT_THAT(list.Lines("Not read", 2),
              ElementsAre("Not read (pair 1; pair 2; pair 3; pair 4; 2 more): no counter",
                          "Not read (pair 9): gone", "Not read: 1 reason more"));
}

}  // namespace
}  // namespace kvtier
