#pragma once
#include <ostream>
#include <string>

#include <gtest/gtest.h>

#include "fixtures/gtest_glue.hpp"
#include "fixtures/profile.hpp"

namespace kvtier {

/// Which stack a suite runs on, and with which profile. The name of the instantiation carries the
/// stack, so that ctest can label it; the parameter carries what the case needs.
struct StackProfile {
  std::string stack;    // "reference", "spark"
  std::string profile;  // file in fixtures/profiles
  bool quick = false;   // our own small check: keeps its results out of the user's
};
inline void PrintTo(const StackProfile& p, std::ostream* os) {
  *os << p.stack << " " << p.profile;
}
inline std::string ProfileName(const ::testing::TestParamInfo<StackProfile>& info) {
  return info.param.profile;
}

/// One tier on one stack.
struct TierCase {
  StackProfile on;
  TierMode tier = TierMode::kB2;
};
inline void PrintTo(const TierCase& c, std::ostream* os) {
  *os << TierName(c.tier) << " " << c.on.profile;
}
inline std::string TierCaseName(const ::testing::TestParamInfo<TierCase>& info) {
  return info.param.on.profile;
}

inline const StackProfile kReference{"reference", "reference"};
inline const StackProfile kSpark{"spark", "spark"};
inline const StackProfile kQuick{"reference", "nano", true};

/// How the profile is asked for: quick cases without BENCH_*, and with their own results root.
ProfileRequest RequestFor(const StackProfile& which);
/// The profile as the environment changes it. Quick cases ignore BENCH_* and write below build/.
Profile LoadFor(const StackProfile& which);

/// Is the effect word among those of KVTIER_EXPECT ("BETTER,EQUIVALENT")? Always when the variable
/// is unset.
bool WordIsExpected(const std::string& word);

/// Empty when this machine can run the stack; else why not.
std::string WhyNotHere(const StackProfile& which, const Profile& profile);

}  // namespace kvtier
