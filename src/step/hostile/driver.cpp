// Reads buffers and dispatches, runs these in order, one invocation after another, and writes the buffers.
// Part of one file that program.rs writes, behind the kernels.

#undef kernel
#undef device
#undef constant

/// One more than the highest binding.
const uint BINDINGS = 11;

static uint read_word() {
    uint word;
    if (std::fread(&word, sizeof word, 1, stdin) != 1) throw "too few words";
    return word;
}

// Aligned for any vector, and never empty.
typedef std::vector<metal::ulong4> Words;

static Words read_words(uint length) {
    Words words(length / 8 + 1);
    if (std::fread(words.data(), sizeof(uint), length, stdin) != length) throw "too few words";
    return words;
}

static void dispatch(Kernel const& kernel, uint x, uint y, Any const* bound) {
    Invocation at;
    at.grid = metal::uint3(x, y, 1);
    for (uint workgroup = 0; workgroup < x * y; workgroup++) {
        at.workgroup = metal::uint3(workgroup % x, workgroup / x, 0);
        for (at.local = 0; at.local < kernel.workgroup_size; at.local++) {
            at.id = metal::uint3(at.workgroup.x * kernel.workgroup_size + at.local, at.workgroup.y, 0);
            kernel.invoke(at, bound);
        }
    }
}

int main() {
    std::vector<Words> buffers(read_word());
    std::vector<uint> lengths(buffers.size());
    for (std::size_t i = 0; i < buffers.size(); i++) {
        lengths[i] = read_word();
        buffers[i] = read_words(lengths[i]);
    }
    for (uint left = read_word(); left > 0; left--) {
        Kernel const& kernel = KERNELS[read_word()];
        uint x = read_word(), y = read_word();
        Any bound[BINDINGS] = {};
        for (uint given = read_word(); given > 0; given--) {
            uint binding = read_word(), buffer = read_word();
            bound[binding].at = buffers[buffer].data();
        }
        dispatch(kernel, x, y, bound);
    }
    for (std::size_t i = 0; i < buffers.size(); i++) {
        std::fwrite(buffers[i].data(), sizeof(uint), lengths[i], stdout);
    }
}
