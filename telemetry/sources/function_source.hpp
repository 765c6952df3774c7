#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "harness/core/reading.hpp"
#include "harness/core/units.hpp"
#include "telemetry/recorder/source.hpp"

namespace kvtier {

/// A source that is one function `void(TimelineRow&)` with what it captured.
template <class F>
class FunctionSource final : public Source {
 public:
  FunctionSource(std::string_view name, F read) : name_(name), read_(std::move(read)) {}
  std::string_view name() const override { return name_; }
  void Read(TimelineRow& row) override { read_(row); }

 private:
  std::string_view name_;
  F read_;
};

/// `name` must be a literal.
template <class F>
std::unique_ptr<Source> MakeSource(std::string_view name, F read) {
  return std::make_unique<FunctionSource<F>>(name, std::move(read));
}

/// A reading under its key: its value, or its reason.
template <class T>
void Put(TimelineRow& row, std::string key, const Reading<T>& reading) {
  if (!reading) {
    row.unavailable[std::move(key)] = reading.reason();
  } else if constexpr (std::is_same_v<T, Bytes>) {
    row.values[std::move(key)] = static_cast<double>(reading->value);
  } else {
    row.values[std::move(key)] = static_cast<double>(*reading);
  }
}

}  // namespace kvtier
