#include "libs/report/chart.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"

namespace trainyard::report {
namespace {

// Units of the viewBox.
constexpr double kWidth = 460, kHeight = 260;
constexpr double kLeft = 52, kRight = 12, kSecondAxis = 52, kTop = 30, kBottom = 40;
constexpr int kColours = 8;

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  void Add(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

// From data to the viewBox.
struct Axes {
  std::vector<double> x_ticks, y_ticks;
  // Of the second y axis; none when there is none.
  std::vector<double> right_ticks;

  double Right() const { return kWidth - (right_ticks.empty() ? kRight : kSecondAxis); }
  double X(double value) const {
    const double span = x_ticks.back() - x_ticks.front();
    return kLeft + (value - x_ticks.front()) / span * (Right() - kLeft);
  }
  double Y(double value, bool right = false) const {
    const std::vector<double>& ticks = right ? right_ticks : y_ticks;
    const double span = ticks.back() - ticks.front();
    return kHeight - kBottom - (value - ticks.front()) / span * (kHeight - kTop - kBottom);
  }
};

bool Finite(const std::pair<double, double>& point) {
  return std::isfinite(point.first) && std::isfinite(point.second);
}

std::string Text(double x, double y, absl::string_view anchor, absl::string_view css,
                 absl::string_view text) {
  return absl::StrFormat("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" class=\"%s\">%s</text>", x,
                         y, anchor, css, Escape(text));
}

std::string DrawAxes(const Chart& chart, const Axes& axes) {
  std::string svg = Text(kLeft, 18, "start", "title", chart.title);
  for (double tick : axes.y_ticks) {
    const double y = axes.Y(tick);
    absl::StrAppendFormat(&svg,
                          "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" class=\"grid\"/>",
                          kLeft, y, axes.Right(), y);
    absl::StrAppend(&svg, Text(kLeft - 6, y + 4, "end", "tick", absl::StrFormat("%g", tick)));
  }
  for (double tick : axes.right_ticks) {
    absl::StrAppend(&svg, Text(axes.Right() + 6, axes.Y(tick, true) + 4, "start", "tick",
                               absl::StrFormat("%g", tick)));
  }
  for (double tick : axes.x_ticks) {
    absl::StrAppend(&svg, Text(axes.X(tick), kHeight - kBottom + 16, "middle", "tick",
                               absl::StrFormat("%g", tick)));
  }
  absl::StrAppend(&svg,
                  Text((kLeft + axes.Right()) / 2, kHeight - 6, "middle", "tick", chart.x_label));
  return svg;
}

std::string DrawSeries(const Series& series, const Axes& axes, int colour) {
  std::string path;
  bool pen_down = false;
  for (const auto& point : series.points) {
    if (!Finite(point)) {
      pen_down = false;
      continue;
    }
    absl::StrAppendFormat(&path, "%s%.1f %.1f", pen_down ? "L" : "M", axes.X(point.first),
                          axes.Y(point.second, series.right_axis));
    pen_down = true;
  }
  return absl::StrFormat("<path d=\"%s\" style=\"stroke:var(--s%d)\" class=\"line%s\"/>", path,
                         colour % kColours, series.right_axis ? " right" : "");
}

// Points with gaps around them would not be seen as lines: few points get dots.
std::string DrawDots(const Series& series, const Axes& axes, int colour) {
  std::string svg;
  if (series.points.size() > 60) return svg;
  for (const auto& point : series.points) {
    if (!Finite(point)) continue;
    absl::StrAppendFormat(
        &svg, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"2\" style=\"fill:var(--s%d)\"/>",
        axes.X(point.first), axes.Y(point.second, series.right_axis), colour % kColours);
  }
  return svg;
}

std::string DrawLegend(const std::vector<Series>& series) {
  std::string html = "<div class=\"legend\">";
  for (size_t i = 0; i < series.size(); ++i) {
    absl::StrAppendFormat(
        &html, "<span><i style=\"background:var(--s%d)\"></i>%s</span>",
        static_cast<int>(i) % kColours,
        Escape(absl::StrCat(series[i].name, series[i].right_axis ? " (right axis)" : "")));
  }
  return absl::StrCat(html, "</div>");
}

}  // namespace

std::string Escape(absl::string_view text) {
  return absl::StrReplaceAll(
      text, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}, {"'", "&#39;"}});
}

std::string OpenTable(absl::string_view label) {
  return absl::StrCat("<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"",
                      Escape(label), "\"><table>");
}

std::vector<double> Ticks(double low, double high, int count, double least_step) {
  if (!(high > low)) {
    // One value: a range around it.
    const double margin = least_step > 0 ? least_step : low == 0 ? 1 : std::abs(low) * 0.1;
    low -= margin;
    high += margin;
  }
  const double rough = (high - low) / std::max(count, 1);
  const double power = std::pow(10, std::floor(std::log10(rough)));
  double step = power * 10;
  for (double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= rough * (1 - 1e-9)) {
      step = factor * power;
      break;
    }
  }
  step = std::max(step, least_step);
  std::vector<double> ticks;
  const int64_t first = static_cast<int64_t>(std::floor(low / step + 1e-9));
  const int64_t last = static_cast<int64_t>(std::ceil(high / step - 1e-9));
  for (int64_t i = first; i <= last; ++i) ticks.push_back(static_cast<double>(i) * step);
  return ticks;
}

void PartAxes(std::vector<Series>& series) {
  if (series.size() != 2) return;
  const auto largest = [](const Series& one) {
    double most = 0;
    for (const auto& point : one.points) {
      if (Finite(point)) most = std::max(most, std::abs(point.second));
    }
    return most;
  };
  const double first = largest(series[0]), second = largest(series[1]);
  if (first == 0 || second == 0) return;
  series[1].right_axis = second > 2 * first || first > 2 * second;
}

std::string DrawChart(const Chart& chart) {
  Range x, left, right;
  for (const Series& series : chart.series) {
    for (const auto& point : series.points) {
      if (!Finite(point)) continue;
      x.Add(point.first);
      (series.right_axis ? right : left).Add(point.second);
    }
  }
  if (!(x.low <= x.high)) return "";
  // A chart whose points are all at the right has that axis alone.
  const Range& y = left.low <= left.high ? left : right;
  const bool two = right.low <= right.high;
  const Axes axes{
      .x_ticks = chart.unit_x ? Ticks(0, 1, 5) : Ticks(x.low, x.high, 6, chart.whole_x ? 1 : 0),
      .y_ticks = chart.unit_y ? Ticks(0, 1, 5) : Ticks(y.low, y.high, 5),
      .right_ticks = two ? Ticks(right.low, right.high, 5) : std::vector<double>()};
  std::string svg = absl::StrFormat(
      "<figure class=\"chart\"><svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"%s\">", kWidth,
      kHeight, Escape(chart.title));
  absl::StrAppend(&svg, DrawAxes(chart, axes));
  for (size_t i = 0; i < chart.series.size(); ++i) {
    absl::StrAppend(&svg, DrawSeries(chart.series[i], axes, static_cast<int>(i)));
    absl::StrAppend(&svg, DrawDots(chart.series[i], axes, static_cast<int>(i)));
  }
  absl::StrAppend(&svg, "</svg>");
  if (chart.series.size() > 1) absl::StrAppend(&svg, DrawLegend(chart.series));
  return absl::StrCat(svg, "</figure>");
}

}  // namespace trainyard::report
