#include "libs/data/internal/scene.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <opencv2/imgproc.hpp>
#include <utility>
#include <vector>

namespace trainyard::data::internal {
namespace {

constexpr double kPi = 3.14159265358979323846;

cv::Scalar Scaled(const cv::Scalar& colour, double factor) { return colour * factor; }

cv::Scalar Jittered(const cv::Scalar& colour, double spread, Philox& random) {
  const double common = random.Uniform(-spread, spread);
  cv::Scalar result;
  for (int c = 0; c < 3; ++c) {
    const double own = random.Uniform(-spread / 3, spread / 3);
    result[c] = std::clamp(colour[c] + common + own, 0.0, 255.0);
  }
  return result;
}

// Steel, zinc, brass, copper, black oxide, stainless.
cv::Scalar Metal(Philox& random) {
  static const std::array<cv::Scalar, 6> kMetals = {
      cv::Scalar(150, 153, 158), cv::Scalar(185, 188, 180), cv::Scalar(190, 160, 80),
      cv::Scalar(178, 108, 74),  cv::Scalar(62, 62, 68),    cv::Scalar(205, 206, 210)};
  return Jittered(kMetals[random.Below(kMetals.size())], 18, random);
}

cv::Point ToPoint(cv::Point2d p) { return {cvRound(p.x), cvRound(p.y)}; }

std::vector<cv::Point> Polygon(cv::Point2d centre, const std::vector<cv::Point2d>& shape,
                               double angle) {
  const double c = std::cos(angle), s = std::sin(angle);
  std::vector<cv::Point> points;
  for (const cv::Point2d& p : shape) {
    points.push_back(ToPoint(centre + cv::Point2d(c * p.x - s * p.y, s * p.x + c * p.y)));
  }
  return points;
}

std::vector<cv::Point2d> Hexagon(double radius) {
  std::vector<cv::Point2d> shape;
  for (int i = 0; i < 6; ++i) {
    shape.emplace_back(radius * std::cos(i * kPi / 3), radius * std::sin(i * kPi / 3));
  }
  return shape;
}

std::vector<cv::Point2d> Rectangle(double x1, double y1, double x2, double y2) {
  return {{x1, y1}, {x2, y1}, {x2, y2}, {x1, y2}};
}

// A smooth random field in [low, high]: a few random values, interpolated.
cv::Mat SmoothField(cv::Size size, int cells, double low, double high, Philox& random) {
  cv::Mat coarse(cells, cells, CV_32F);
  for (int i = 0; i < cells * cells; ++i) {
    coarse.at<float>(i / cells, i % cells) = static_cast<float>(random.Uniform(low, high));
  }
  cv::Mat field;
  cv::resize(coarse, field, size, 0, 0, cv::INTER_CUBIC);
  return field;
}

// Multiplies 8-bit RGB by a field of factors.
void Multiply(cv::Mat& picture, const cv::Mat& factors) {
  cv::Mat values, three;
  picture.convertTo(values, CV_32FC3);
  cv::merge(std::vector<cv::Mat>{factors, factors, factors}, three);
  values = values.mul(three);
  values.convertTo(picture, CV_8UC3);
}

// Brighter towards one side, with a soft spot of gloss, where the mask is set.
void Shade(Sprite& sprite, Philox& random) {
  const cv::Size size = sprite.mask.size();
  const double angle = random.Uniform(0, 2 * kPi), strength = random.Uniform(0.1, 0.3);
  const double gx = std::cos(angle) * strength / size.width * 2;
  const double gy = std::sin(angle) * strength / size.height * 2;
  cv::Mat factors(size, CV_32F);
  for (int y = 0; y < size.height; ++y) {
    auto* row = factors.ptr<float>(y);
    for (int x = 0; x < size.width; ++x) {
      row[x] = static_cast<float>(1 + gx * (x - size.width / 2.0) + gy * (y - size.height / 2.0));
    }
  }
  factors += SmoothField(size, 5, -0.07, 0.07, random);
  Multiply(sprite.colour, factors);
}

void PaintNut(Sprite& sprite, cv::Point2d centre, double radius, double angle, Philox& random) {
  const cv::Scalar metal = Metal(random);
  const std::vector<cv::Point> outline = Polygon(centre, Hexagon(radius), angle);
  cv::fillConvexPoly(sprite.mask, outline, 255);
  sprite.colour.setTo(metal);
  // Six facets of different brightness around a chamfered face.
  for (int i = 0; i < 6; ++i) {
    const std::vector<cv::Point> facet = {ToPoint(centre), outline[static_cast<size_t>(i)],
                                          outline[static_cast<size_t>((i + 1) % 6)]};
    cv::fillConvexPoly(sprite.colour, facet, Scaled(metal, 0.66 + 0.28 * std::cos(i * kPi / 3)));
  }
  cv::circle(sprite.colour, ToPoint(centre), cvRound(radius * 0.78), Scaled(metal, 1.06), -1);
  const double hole = radius * random.Uniform(0.33, 0.43);
  cv::circle(sprite.colour, ToPoint(centre), cvRound(hole * 1.25), Scaled(metal, 0.5), -1);
  cv::circle(sprite.mask, ToPoint(centre), cvRound(hole), 0, -1);
}

void PaintWasher(Sprite& sprite, cv::Point2d centre, double radius, double angle, Philox& random) {
  const cv::Scalar metal = Metal(random);
  // Not lying quite flat.
  const cv::Size outer(cvRound(radius), cvRound(radius * random.Uniform(0.86, 1.0)));
  const double hole = random.Uniform(0.56, 0.7);
  const cv::Size inner(cvRound(outer.width * hole), cvRound(outer.height * hole));
  const double degrees = angle * 180 / kPi;
  const auto ellipse = [&](cv::Mat& target, cv::Size axes, const cv::Scalar& colour,
                           int thickness) {
    cv::ellipse(target, ToPoint(centre), axes, degrees, 0, 360, colour, thickness);
  };
  ellipse(sprite.mask, outer, 255, -1);
  ellipse(sprite.mask, inner, 0, -1);
  sprite.colour.setTo(metal);
  const int rim = std::max(1, cvRound(radius * 0.07));
  ellipse(sprite.colour, outer, Scaled(metal, 0.75), rim);
  ellipse(sprite.colour, {inner.width + rim, inner.height + rim}, Scaled(metal, 0.7), rim);
}

void PaintBolt(Sprite& sprite, cv::Point2d centre, double half, double angle, Philox& random) {
  const cv::Scalar metal = Metal(random);
  const double head_half = half * random.Uniform(0.34, 0.42);
  const double head_length = half * random.Uniform(0.3, 0.4);
  const double shank_half = head_half * random.Uniform(0.45, 0.58);
  const double neck = -half + head_length;
  sprite.colour.setTo(metal);
  const auto fill = [&](cv::Mat& target, const std::vector<cv::Point2d>& shape,
                        const cv::Scalar& colour) {
    cv::fillConvexPoly(target, Polygon(centre, shape, angle), colour);
  };
  fill(sprite.mask, Rectangle(-half, -head_half, neck, head_half), 255);
  fill(sprite.mask, Rectangle(neck, -shank_half, half, shank_half), 255);
  // The head's flats, and a round shank: darker towards its sides.
  fill(sprite.colour, Rectangle(-half, -head_half, neck, -head_half * 0.4), Scaled(metal, 0.78));
  fill(sprite.colour, Rectangle(-half, head_half * 0.4, neck, head_half), Scaled(metal, 0.66));
  fill(sprite.colour, Rectangle(neck, -shank_half, half, -shank_half * 0.5), Scaled(metal, 0.75));
  fill(sprite.colour, Rectangle(neck, shank_half * 0.5, half, shank_half), Scaled(metal, 0.6));
  const double pitch = std::max(3.0, half * 0.11);
  const double start = neck + (half - neck) * random.Uniform(0.0, 0.35);
  for (double x = start; x < half; x += pitch) {
    fill(sprite.colour,
         {{x, -shank_half},
          {x + pitch * 0.4, -shank_half},
          {x + pitch * 0.65, shank_half},
          {x + pitch * 0.25, shank_half}},
         Scaled(metal, 0.45));
  }
}

// Teeth around a disc, with a bore: between a nut and a washer in looks.
void PaintGear(Sprite& sprite, cv::Point2d centre, double radius, double angle, Philox& random) {
  const cv::Scalar metal = Metal(random);
  const int teeth = 8 + static_cast<int>(random.Below(5));
  const double root = radius * random.Uniform(0.74, 0.82), pitch = 2 * kPi / teeth;
  std::vector<cv::Point2d> outline;
  for (int tooth = 0; tooth < teeth; ++tooth) {
    for (const auto& [part, reach] : {std::pair{0.0, root}, std::pair{0.14, radius},
                                      std::pair{0.4, radius}, std::pair{0.54, root}}) {
      const double at = (tooth + part) * pitch;
      outline.emplace_back(reach * std::cos(at), reach * std::sin(at));
    }
  }
  const std::vector<std::vector<cv::Point>> edge = {Polygon(centre, outline, angle)};
  cv::fillPoly(sprite.mask, edge, 255);
  sprite.colour.setTo(Scaled(metal, 0.8));
  const double bore = radius * random.Uniform(0.25, 0.5);
  cv::circle(sprite.colour, ToPoint(centre), cvRound(root * 0.9), metal, -1);
  cv::circle(sprite.colour, ToPoint(centre), cvRound(bore * 1.2), Scaled(metal, 0.6), -1);
  cv::circle(sprite.mask, ToPoint(centre), cvRound(bore), 0, -1);
}

// Two flat legs at a right angle, a hole in each: a bolt's outline when the second is short.
void PaintBracket(Sprite& sprite, cv::Point2d centre, double half, double angle, Philox& random) {
  const cv::Scalar metal = Metal(random);
  const double a = half / std::sqrt(2.0), width = a * random.Uniform(0.55, 0.75);
  const double short_end = -a + 2 * a * random.Uniform(0.65, 1.0);
  const double side = random.Chance(0.5) ? 1 : -1;  // Of either hand.
  const auto shape = [&](std::vector<cv::Point2d> points) {
    for (cv::Point2d& point : points) point.y *= side;
    return Polygon(centre, points, angle);
  };
  const std::vector<std::vector<cv::Point>> edge = {shape({{-a, -a},
                                                           {a, -a},
                                                           {a, -a + width},
                                                           {-a + width, -a + width},
                                                           {-a + width, short_end},
                                                           {-a, short_end}})};
  cv::fillPoly(sprite.mask, edge, 255);
  sprite.colour.setTo(metal);
  // Where it is bent.
  cv::fillConvexPoly(sprite.colour, shape(Rectangle(-a, -a, -a + width, -a + width)),
                     Scaled(metal, 0.85));
  const int hole = std::max(1, cvRound(width * random.Uniform(0.2, 0.28)));
  for (const cv::Point& at :
       shape({{a - width / 2, -a + width / 2}, {-a + width / 2, short_end - width / 2}})) {
    cv::circle(sprite.colour, at, hole + std::max(1, hole / 3), Scaled(metal, 0.6), -1);
    cv::circle(sprite.mask, at, hole, 0, -1);
  }
}

void PaintDistractor(cv::Mat& tray, Philox& random) {
  const double unit = tray.rows;
  const cv::Point2d place(random.Uniform(0, tray.cols), random.Uniform(0, tray.rows));
  const cv::Scalar colour(random.Uniform(30, 220), random.Uniform(30, 220),
                          random.Uniform(30, 220));
  const double angle = random.Uniform(0, 2 * kPi);
  switch (random.Below(5)) {
    case 0: {  // A scrap of paper or plastic.
      const double w = unit * random.Uniform(0.03, 0.12), h = unit * random.Uniform(0.02, 0.08);
      cv::fillConvexPoly(tray, Polygon(place, Rectangle(-w, -h, w, h), angle), colour, cv::LINE_AA);
      break;
    }
    case 1: {  // A wire.
      std::vector<cv::Point> wire;
      cv::Point2d at = place;
      double heading = angle;
      for (int i = 0; i < 24; ++i) {
        wire.push_back(ToPoint(at));
        heading += random.Uniform(-0.35, 0.35);
        at += cv::Point2d(std::cos(heading), std::sin(heading)) * (unit * 0.025);
      }
      cv::polylines(tray, wire, false, colour, std::max(1, cvRound(unit * 0.008)), cv::LINE_AA);
      break;
    }
    case 2: {  // Metal chips.
      for (int i = 0; i < 8; ++i) {
        const cv::Point2d chip =
            place + cv::Point2d(random.Uniform(-0.06, 0.06), random.Uniform(-0.06, 0.06)) * unit;
        const cv::Point2d end =
            chip + cv::Point2d(random.Uniform(-0.02, 0.02), random.Uniform(-0.02, 0.02)) * unit;
        cv::line(tray, ToPoint(chip), ToPoint(end), cv::Scalar::all(random.Uniform(120, 230)),
                 std::max(1, cvRound(unit * 0.005)), cv::LINE_AA);
      }
      break;
    }
    case 3: {  // A stain of oil.
      const cv::Size axes(cvRound(unit * random.Uniform(0.03, 0.1)),
                          cvRound(unit * random.Uniform(0.02, 0.07)));
      cv::Mat stained = tray.clone();
      cv::ellipse(stained, ToPoint(place), axes, angle * 180 / kPi, 0, 360, colour * 0.4, -1,
                  cv::LINE_AA);
      cv::addWeighted(tray, 0.55, stained, 0.45, 0, tray);
      break;
    }
    default: {  // A plastic disc: round like a washer, but without its hole.
      const int radius = cvRound(unit * random.Uniform(0.02, 0.05));
      cv::circle(tray, ToPoint(place), radius, colour, -1, cv::LINE_AA);
      cv::circle(tray, ToPoint(place), radius, colour * 0.6, 1, cv::LINE_AA);
      break;
    }
  }
}

void AddNoise(cv::Mat& picture, double sigma, Philox& random) {
  // The sum of four bytes is near enough to a bell: mean 510, deviation 147.8.
  const double scale = sigma / 147.8;
  for (int y = 0; y < picture.rows; ++y) {
    uint8_t* const row = picture.ptr<uint8_t>(y);
    for (int i = 0; i < picture.cols * 3; ++i) {
      const uint32_t bits = random();
      const int sum =
          static_cast<int>((bits & 255) + (bits >> 8 & 255) + (bits >> 16 & 255) + (bits >> 24));
      row[i] = cv::saturate_cast<uint8_t>(row[i] + (sum - 510) * scale);
    }
  }
}

}  // namespace

Sprite PaintPart(Part part, double length, double angle, Philox& random) {
  const double half = length / 2;
  const int side = 2 * (cvRound(half) + 2) + 1;
  Sprite sprite{cv::Mat(side, side, CV_8UC3), cv::Mat::zeros(side, side, CV_8U)};
  const cv::Point2d centre(side / 2, side / 2);
  switch (part) {
    case Part::kBolt:
      PaintBolt(sprite, centre, half, angle, random);
      break;
    case Part::kNut:
      PaintNut(sprite, centre, half, angle, random);
      break;
    case Part::kWasher:
      PaintWasher(sprite, centre, half, angle, random);
      break;
    case Part::kGear:
      PaintGear(sprite, centre, half, angle, random);
      break;
    case Part::kBracket:
      PaintBracket(sprite, centre, half, angle, random);
      break;
  }
  Shade(sprite, random);
  return sprite;
}

cv::Mat PaintTray(cv::Size size, Philox& random) {
  static const std::array<cv::Scalar, 6> kTrays = {
      cv::Scalar(95, 105, 112), cv::Scalar(64, 84, 110),   cv::Scalar(120, 98, 76),
      cv::Scalar(70, 96, 78),   cv::Scalar(150, 146, 138), cv::Scalar(48, 50, 54)};
  const cv::Scalar base = Jittered(kTrays[random.Below(kTrays.size())], 20, random);
  cv::Mat tray(size, CV_8UC3, base);
  if (random.Chance(0.4)) {  // Ribs.
    const bool upright = random.Chance(0.5);
    const int pitch = std::max(4, cvRound(size.height * random.Uniform(0.06, 0.2)));
    const int thickness = std::max(1, cvRound(size.height * 0.006));
    const int end = upright ? size.width : size.height;
    for (int at = static_cast<int>(random.Below(static_cast<uint64_t>(pitch))); at < end;
         at += pitch) {
      const cv::Point from = upright ? cv::Point(at, 0) : cv::Point(0, at);
      const cv::Point to = upright ? cv::Point(at, size.height) : cv::Point(size.width, at);
      cv::line(tray, from, to, base * random.Uniform(0.8, 1.2), thickness, cv::LINE_AA);
    }
  }
  Multiply(tray, SmoothField(size, 40, 0.88, 1.12, random));
  const int scratches = static_cast<int>(random.Below(12));
  for (int i = 0; i < scratches; ++i) {
    const cv::Point2d from(random.Uniform(0, size.width), random.Uniform(0, size.height));
    const cv::Point2d along(random.Uniform(-0.3, 0.3), random.Uniform(-0.3, 0.3));
    cv::line(tray, ToPoint(from), ToPoint(from + along * size.height),
             base * random.Uniform(0.7, 1.4), 1, cv::LINE_AA);
  }
  const int distractors = 2 + static_cast<int>(random.Below(6));
  for (int i = 0; i < distractors; ++i) PaintDistractor(tray, random);
  return tray;
}

void TakePhoto(cv::Mat& picture, Philox& random) {
  // Uneven light, and a darker or lighter exposure.
  cv::Mat light = SmoothField(picture.size(), 3, 0.6, 1.25, random);
  light *= random.Uniform(0.8, 1.15);
  Multiply(picture, light);
  if (random.Chance(0.6)) {
    const double sigma = random.Uniform(0.3, 1.3) * picture.rows / 240.0;
    cv::GaussianBlur(picture, picture, {0, 0}, sigma);
  }
  if (random.Chance(0.15)) {  // The camera moved.
    const int length = 3 + 2 * static_cast<int>(random.Below(2));
    const bool sideways = random.Chance(0.5);
    cv::blur(picture, picture, sideways ? cv::Size(length, 1) : cv::Size(1, length));
  }
  AddNoise(picture, random.Uniform(2, 9), random);
}

}  // namespace trainyard::data::internal
