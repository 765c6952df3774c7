#pragma once
#include <cstddef>
#include <optional>
#include <vector>

namespace kvtier {

/// Type-7 quantile of a sample beside which `failed` more members are larger than anything: a
/// failed request never ends. Empty when the quantile is one of those or lies between one of them
/// and the rest, and when there is no member at all. `sample` needs no order.
std::optional<double> QuantileWithFailures(std::vector<double> sample, std::size_t failed,
                                           double q);

}  // namespace kvtier
