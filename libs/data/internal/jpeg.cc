// libjpeg's headers need the standard ones before them, and jerror.h needs jpeglib.h.
// clang-format off
#include <algorithm>
#include <csetjmp>
#include <cstddef>
#include <cstdio>
#include <cstdlib>

#include <jpeglib.h>
#include <jerror.h>
// clang-format on

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/data/internal/codec.h"

namespace trainyard::data::internal {
namespace {

// libjpeg reports by calls that must not return. We jump back to the function that called it; such
// functions (Start, ReadRows, Compress) hold nothing with a destructor.
struct ErrorState {
  jpeg_error_mgr manager;
  jmp_buf jump;
  bool met_end = false;  // The file ended before its end marker.
  char message[JMSG_LENGTH_MAX] = {};
};

void FailAndJump(j_common_ptr codec) {
  auto* state = reinterpret_cast<ErrorState*>(codec->err);
  codec->err->format_message(codec, state->message);
  longjmp(state->jump, 1);
}

// A warning means that the decoder went on with made-up pixels, except for the harmless ones. The
// end of the file is not one of them yet: when pixels are missing, another warning follows.
void JudgeWarning(j_common_ptr codec, int level) {
  if (level >= 0) return;  // Traces.
  switch (codec->err->msg_code) {
    case JWRN_JPEG_EOF:
      reinterpret_cast<ErrorState*>(codec->err)->met_end = true;
      return;
    case JWRN_EXTRANEOUS_DATA:
    // Some encoders leave the numbers of a sequential scan, which nothing reads, 0.
    case JWRN_NOT_SEQUENTIAL:
    case JWRN_ADOBE_XFORM:
    case JWRN_TOO_MUCH_DATA:
    case JWRN_JFIF_MAJOR:
      return;
    default:
      FailAndJump(codec);
  }
}

void SetUp(ErrorState& state, jpeg_error_mgr*& slot) {
  slot = jpeg_std_error(&state.manager);
  state.manager.error_exit = FailAndJump;
  state.manager.emit_message = JudgeWarning;
}

class Reader {
 public:
  Reader() { SetUp(errors_, codec_.err); }
  ~Reader() { jpeg_destroy_decompress(&codec_); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  // False: see message().
  bool Start(absl::string_view bytes) {
    if (setjmp(errors_.jump)) return false;
    jpeg_create_decompress(&codec_);
    jpeg_mem_src(&codec_, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
    jpeg_read_header(&codec_, TRUE);
    return true;
  }

  // Chooses the form of the pixels and starts decoding, at a `divisor`th of the size (1, 2, 4, 8).
  bool Begin(int divisor) {
    if (setjmp(errors_.jump)) return false;
    const bool inks = codec_.jpeg_color_space == JCS_CMYK || codec_.jpeg_color_space == JCS_YCCK;
    codec_.out_color_space = inks ? JCS_CMYK : JCS_RGB;
    codec_.scale_num = 1;
    codec_.scale_denom = static_cast<unsigned>(divisor);
    jpeg_start_decompress(&codec_);
    return true;
  }

  // Decodes all rows. `stride` 0: all into the same row.
  bool ReadRows(uint8_t* out, size_t stride) {
    if (setjmp(errors_.jump)) return false;
    while (codec_.output_scanline < codec_.output_height) {
      JSAMPROW row = out + codec_.output_scanline * stride;
      jpeg_read_scanlines(&codec_, &row, 1);
    }
    has_all_scans_ = HasAllScans();
    jpeg_finish_decompress(&codec_);
    return true;
  }

  // Of ReadRows: whether the file ended before its end marker, and whether nothing but that is
  // missing.
  bool met_end() const { return errors_.met_end; }
  bool has_all_scans() const { return has_all_scans_; }

  const jpeg_decompress_struct& codec() const { return codec_; }
  absl::Status Error() const {
    if (errors_.manager.msg_code == JERR_BAD_PRECISION) {
      return absl::DataLossError(absl::StrCat("the JPEG has ", codec_.data_precision,
                                              " bits a colour; those of 8 are read"));
    }
    return absl::DataLossError(absl::StrCat("the JPEG cannot be decoded: ", errors_.message));
  }

 private:
  // A scan that is cut is an error, but a file of several scans may end between two of them: then
  // some coefficients have bits to come, or (-1) were never seen. To be asked while decoding.
  bool HasAllScans() {
    if (!jpeg_has_multiple_scans(&codec_)) return true;
    if (codec_.coef_bits == nullptr) return false;
    for (int component = 0; component < codec_.num_components; ++component) {
      for (const int bits : codec_.coef_bits[component]) {
        if (bits != 0) return false;
      }
    }
    return true;
  }

  ErrorState errors_;
  jpeg_decompress_struct codec_{};
  bool has_all_scans_ = true;
};

// Adobe's CMYK is stored inverted: 255 is no ink.
void InksToRgb(const uint8_t* cmyk, uint8_t* rgb, int64_t pixels, bool inverted) {
  for (int64_t i = 0; i < pixels; ++i, cmyk += 4, rgb += 3) {
    for (int c = 0; c < 3; ++c) {
      const int ink = inverted ? cmyk[c] : 255 - cmyk[c];
      const int black = inverted ? cmyk[3] : 255 - cmyk[3];
      rgb[c] = static_cast<uint8_t>((ink * black + 127) / 255);
    }
  }
}

class Writer {
 public:
  Writer() { SetUp(errors_, codec_.err); }
  ~Writer() {
    jpeg_destroy_compress(&codec_);
    free(buffer_);
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  bool Compress(const uint8_t* pixels, ImageSize size, int channels, int quality) {
    if (setjmp(errors_.jump)) return false;
    jpeg_create_compress(&codec_);
    jpeg_mem_dest(&codec_, &buffer_, &bytes_);
    codec_.image_width = static_cast<JDIMENSION>(size.width);
    codec_.image_height = static_cast<JDIMENSION>(size.height);
    codec_.input_components = channels;
    codec_.in_color_space = channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&codec_);
    jpeg_set_quality(&codec_, quality, TRUE);
    jpeg_start_compress(&codec_, TRUE);
    while (codec_.next_scanline < codec_.image_height) {
      JSAMPROW row = const_cast<JSAMPROW>(pixels + codec_.next_scanline * size.width * channels);
      jpeg_write_scanlines(&codec_, &row, 1);
    }
    jpeg_finish_compress(&codec_);
    return true;
  }

  std::string Take() const { return {reinterpret_cast<const char*>(buffer_), bytes_}; }
  const char* message() const { return errors_.message; }

 private:
  ErrorState errors_;
  jpeg_compress_struct codec_{};
  unsigned char* buffer_ = nullptr;
  unsigned long bytes_ = 0;  // NOLINT: libjpeg's type.
};

}  // namespace

namespace {

// How much smaller a picture may be decoded.
int DivisorFor(ImageSize size, int64_t least_side) {
  int divisor = least_side > 0 ? 8 : 1;
  while (divisor > 1 && std::min(size.width, size.height) / divisor < least_side) divisor /= 2;
  return divisor;
}

// Decodes what Begin prepared into a row (kVerify) or a picture.
absl::Status ReadPixels(Reader& reader, Depth depth, Tensor* image) {
  const int64_t width = reader.codec().output_width, height = reader.codec().output_height;
  const size_t row_bytes =
      size_t{reader.codec().output_width} * static_cast<size_t>(reader.codec().output_components);
  if (depth == Depth::kVerify) {
    std::vector<uint8_t> row(row_bytes);
    return reader.ReadRows(row.data(), 0) ? absl::OkStatus() : reader.Error();
  }
  TY_ASSIGN_OR_RETURN(*image, Tensor::Create(DType::kUInt8, {height, width, 3}));
  uint8_t* const pixels = image->data<uint8_t>().data();
  if (reader.codec().out_color_space == JCS_RGB) {
    return reader.ReadRows(pixels, row_bytes) ? absl::OkStatus() : reader.Error();
  }
  std::vector<uint8_t> inks(row_bytes * static_cast<size_t>(height));
  if (!reader.ReadRows(inks.data(), row_bytes)) return reader.Error();
  InksToRgb(inks.data(), pixels, width * height, reader.codec().saw_Adobe_marker);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ImageSize> ReadJpeg(absl::string_view bytes, Depth depth, Tensor* image,
                                   bool* lacks_end, int64_t least_side) {
  Reader reader;
  if (!reader.Start(bytes)) return reader.Error();
  const ImageSize size{reader.codec().image_width, reader.codec().image_height};
  TY_RETURN_IF_ERROR(CheckImageSize(size.width, size.height));
  if (depth == Depth::kHeader) return size;
  const int divisor = depth == Depth::kVerify ? 8 : DivisorFor(size, least_side);
  if (!reader.Begin(divisor)) return reader.Error();
  TY_RETURN_IF_ERROR(ReadPixels(reader, depth, image));
  if (reader.met_end() && !reader.has_all_scans()) {
    return absl::DataLossError("the JPEG cannot be decoded: the file ends before its last scan");
  }
  *lacks_end = reader.met_end();
  return size;
}

absl::StatusOr<std::string> WriteJpeg(const uint8_t* pixels, ImageSize size, int channels,
                                      int quality) {
  Writer writer;
  if (!writer.Compress(pixels, size, channels, quality)) {
    return absl::InternalError(absl::StrCat("the JPEG cannot be encoded: ", writer.message()));
  }
  return writer.Take();
}

}  // namespace trainyard::data::internal
