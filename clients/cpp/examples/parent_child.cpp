// A program with a segmentation node of its own: it starts `maskbus child`, and asks it for one mask a click through
// the memory that both share. No port is open, nothing is written to disk, and the child ends with this program.
//
//   parent_child photo.ppm 320,240 100,90,0     the object at (320, 240), without what is at (100, 90)
//   parent_child photo.jpg --out mask.pgm       clicks come from standard input, one line of X,Y[,0|1]… each
//   parent_child --base64 photo.txt 320,240 --base64-out mask.txt
//
// The mask: 255 on the object, 0 elsewhere; a PGM file, or with --base64-out a PNG as Base64 text.

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "maskbus/shm/child.hpp"

namespace {

struct Arguments {
    std::string image;
    bool base64 = false;
    std::string out = "mask.pgm";
    std::string base64_out;
    std::string model;
    std::vector<std::string> command = {"maskbus", "child"};
    std::vector<std::string> clicks;
};

/// A picture as it was read: pixels of a PPM file, the bytes of another file, or Base64 text.
struct Picture {
    std::string bytes;
    bool base64 = false;
    std::optional<maskbus::ImageView> view;
};

int complain(const maskbus::Error& error) {
    std::cerr << error.code << ": " << error.message;
    if (!error.path.empty()) {
        std::cerr << " (" << error.path << ")";
    }
    std::cerr << '\n';
    return 1;
}

bool parse(int count, char** words, Arguments& arguments) {
    const std::vector<std::string> given(words + 1, words + count);
    for (std::size_t i = 0; i < given.size(); ++i) {
        const std::string& word = given[i];
        const bool has_value = i + 1 < given.size();
        if (word == "--base64") {
            arguments.base64 = true;
        } else if (word == "--out" && has_value) {
            arguments.out = given[++i];
        } else if (word == "--base64-out" && has_value) {
            arguments.base64_out = given[++i];
        } else if (word == "--model" && has_value) {
            arguments.model = given[++i];
        } else if (word == "--command" && has_value) {  // for a maskbus that is not in PATH: words, split at spaces
            std::istringstream parts(given[++i]);
            arguments.command.assign(std::istream_iterator<std::string>(parts), {});
        } else if (word.rfind("--", 0) == 0) {
            return false;
        } else if (arguments.image.empty()) {
            arguments.image = word;
        } else {
            arguments.clicks.push_back(word);
        }
    }
    return !arguments.image.empty() && !arguments.command.empty();
}

/// Add "X,Y", "X,Y,1" (on the object) or "X,Y,0" (not on it) to a prompt.
bool add_click(const std::string& word, maskbus::Prompt& prompt) {
    maskbus::Point point;
    int label = 1;
    char rest = 0;
    const int found = std::sscanf(word.c_str(), "%lf,%lf,%d%c", &point.x, &point.y, &label, &rest);
    if (found != 2 && found != 3) {
        std::cerr << "A click is X,Y or X,Y,1 (object) or X,Y,0 (background), not " << word << '\n';
        return false;
    }
    prompt.points.push_back(point);
    prompt.labels.push_back(label);
    return true;
}

/// The pixels of a binary PPM file (P6, one byte a channel); none where it is another file.
std::optional<maskbus::ImageView> view_ppm(const std::string& bytes) {
    std::istringstream stream(bytes);
    std::string magic;
    std::uint32_t width = 0;
    std::uint32_t height = 0;
    int most = 0;
    if (!(stream >> magic >> width >> height >> most) || magic != "P6" || most != 255) {
        return std::nullopt;
    }
    const auto start = static_cast<std::size_t>(stream.tellg()) + 1;
    if (width == 0 || height == 0 || bytes.size() < start || (bytes.size() - start) / 3 / width < height) {
        return std::nullopt;
    }
    return maskbus::ImageView::raw(bytes.data() + start, width, height, maskbus::ImageEncoding::rgb8);
}

bool read(const Arguments& arguments, Picture& picture) {
    std::ifstream file(arguments.image, std::ios::binary);
    if (!file) {
        std::cerr << arguments.image << " cannot be read.\n";
        return false;
    }
    picture.bytes.assign(std::istreambuf_iterator<char>(file), {});
    picture.base64 = arguments.base64;
    if (!picture.base64) {
        const auto raw = view_ppm(picture.bytes);
        picture.view = raw ? *raw : maskbus::ImageView::file(picture.bytes.data(), picture.bytes.size());
    }
    return true;
}

bool write_mask(const maskbus::Mask& mask, const Arguments& arguments) {
    if (!arguments.base64_out.empty()) {
        std::ofstream file(arguments.base64_out, std::ios::binary);
        file << mask.png_base64().value_or(maskbus::Bytes()).text();
        return static_cast<bool>(file);
    }
    const auto pixels = mask.decode();
    if (!pixels) {
        complain(pixels.error());
        return false;
    }
    std::ofstream file(arguments.out, std::ios::binary);
    file << "P5\n" << pixels->width << ' ' << pixels->height << "\n255\n";
    file.write(reinterpret_cast<const char*>(pixels->pixels.data()),
               static_cast<std::streamsize>(pixels->pixels.size()));
    return static_cast<bool>(file);
}

/// Ask for one mask, and say what came.
int segment(maskbus::Child& child, const Picture& picture, const maskbus::Prompt& prompt, const Arguments& arguments) {
    maskbus::SegmentOptions options;
    options.encodings = {arguments.base64_out.empty() ? maskbus::MaskEncoding::raw : maskbus::MaskEncoding::png_base64};
    const auto begin = std::chrono::steady_clock::now();
    const auto answer = picture.base64 ? child.segment_base64(picture.bytes, prompt, options)
                                       : child.segment(*picture.view, prompt, options);
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
    if (!answer) {
        return complain(answer.error());
    }
    const auto best = answer->best();
    if (!best) {
        return complain(best.error());
    }
    if (!write_mask(*best, arguments)) {
        return 1;
    }
    const auto box = best->bbox();
    std::cout << "bbox " << box.x << ' ' << box.y << ' ' << box.width << ' ' << box.height << "  area " << best->area()
              << "  " << took.count() << " ms" << std::endl;
    return 0;
}

int segment_clicks(maskbus::Child& child, const Picture& picture, const Arguments& arguments) {
    if (!arguments.clicks.empty()) {
        maskbus::Prompt prompt;
        for (const std::string& click : arguments.clicks) {
            if (!add_click(click, prompt)) {
                return 2;
            }
        }
        return segment(child, picture, prompt, arguments);
    }
    int code = 0;
    std::string line;
    while (std::getline(std::cin, line)) {
        std::istringstream words(line);
        maskbus::Prompt prompt;
        bool sound = true;
        for (std::string word; sound && words >> word;) {
            sound = add_click(word, prompt);
        }
        if (sound && !prompt.points.empty()) {
            code = segment(child, picture, prompt, arguments);
            if (!child.is_alive() && !child.restart()) {
                return 1;
            }
        }
    }
    return code;
}

}  // namespace

int main(int count, char** words) {
    Arguments arguments;
    if (!parse(count, words, arguments)) {
        std::cerr
            << "usage: parent_child [--base64] [--model NAME] [--command WORDS] [--out MASK.pgm | --base64-out TEXT] "
               "IMAGE [X,Y[,0|1]]…\n";
        return 2;
    }
    Picture picture;
    if (!read(arguments, picture)) {
        return 1;
    }
    maskbus::ChildOptions options;
    options.command = arguments.command;
    options.model = arguments.model;
    auto child = maskbus::Child::start(options);
    if (!child) {
        return complain(child.error());
    }
    return segment_clicks(*child, picture, arguments);
}
