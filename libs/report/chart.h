#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace trainyard::report {

/// `text` for the inside of an HTML element or of a quoted attribute.
std::string Escape(absl::string_view text);

/// The head of a table that scrolls by itself when it is wider than the page, by keyboard too, and
/// that a screen reader calls `label`; ends it: `</table></div>`.
std::string OpenTable(absl::string_view label);

/// One line of a chart. Points that are not finite break it.
struct Series {
  std::string name;
  std::vector<std::pair<double, double>> points;
  /// Belongs to a second y axis, at the right, with a range of its own; drawn dashed. The legend
  /// says so.
  bool right_axis = false;
};

/// A line chart. Ranges are those of the points, widened to round numbers; or as given.
struct Chart {
  std::string title;
  std::string x_label;
  std::string y_label;
  std::vector<Series> series;
  /// The y axis from 0 to 1: for ratios.
  bool unit_y = false;
  bool unit_x = false;
  /// No fractions on the x axis: epochs.
  bool whole_x = false;
};

/// The chart as inline SVG whose colours come from the page's CSS variables (--ink, --muted, --grid,
/// --s0 to --s7), so that it fits a light and a dark page. "" when there is no finite point. Pure.
std::string DrawChart(const Chart& chart);

/// Gives the second of two series the right axis when on one axis either would be flat: when its
/// largest finite value is more than twice the other's, or less than half of it. Else both stay
/// comparable.
void PartAxes(std::vector<Series>& series);

/// Round numbers from at most `low` to at least `high`, about `count` of them: steps of 1, 2 or 5 times
/// a power of ten, not below `least_step`.
std::vector<double> Ticks(double low, double high, int count, double least_step = 0);

}  // namespace trainyard::report
