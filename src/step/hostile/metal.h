// As much of Metal's language and library as naga's text of the serial kernels needs, for a C++ compiler of
// the CPU. Part of one file that program.rs writes.

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <vector>

#define kernel
#define device
#define constant const
#define thread

typedef unsigned int uint;
typedef std::uint64_t ulong;

namespace metal {

using ::uint;
using ::ulong;

template <class T, int N> struct vec;

template <class T> struct vec<T, 2> {
    union {
        T at[2];
        struct { T x, y; };
    };
    vec() = default;
    explicit vec(T all) : x(all), y(all) {}
    vec(T x, T y) : x(x), y(y) {}
    template <class U> explicit vec(vec<U, 2> of) : vec(T(of.x), T(of.y)) {}
};

template <class T> struct vec<T, 3> {
    union {
        T at[3];
        struct { T x, y, z; };
    };
    vec() = default;
    vec(T x, T y, T z) : x(x), y(y), z(z) {}
};

template <class T> struct vec<T, 4> {
    union {
        T at[4];
        struct { T x, y, z, w; };
        struct { vec<T, 2> xy, zw; };
    };
    vec() = default;
    explicit vec(T all) : x(all), y(all), z(all), w(all) {}
    vec(T x, T y, T z, T w) : x(x), y(y), z(z), w(w) {}
    vec(vec<T, 2> xy, vec<T, 2> zw) : xy(xy), zw(zw) {}
    template <class U> explicit vec(vec<U, 4> of) : vec(T(of.x), T(of.y), T(of.z), T(of.w)) {}
    T operator[](uint lane) const { return at[lane]; }
};

typedef vec<uint, 2> uint2;
typedef vec<uint, 3> uint3;
typedef vec<uint, 4> uint4;
typedef vec<int, 2> int2;
typedef vec<int, 4> int4;
typedef vec<float, 2> float2;
typedef vec<float, 4> float4;
typedef vec<bool, 2> bool2;
typedef vec<bool, 4> bool4;
typedef vec<ulong, 2> ulong2;
typedef vec<ulong, 4> ulong4;

struct float2x4 {
    float4 columns[2];
    float2x4() = default;
    float2x4(float4 first, float4 second) : columns{first, second} {}
    float4& operator[](int column) { return columns[column]; }
    float4 const& operator[](int column) const { return columns[column]; }
};

#define EACH(R, N, VALUE)                                 \
    vec<R, N> found;                                      \
    for (int i = 0; i < N; i++) found.at[i] = R(VALUE);   \
    return found

#define BINARY(R, OP)                                                                               \
    template <class T, int N> vec<R, N> operator OP(vec<T, N> a, vec<T, N> b) {                     \
        EACH(R, N, a.at[i] OP b.at[i]);                                                             \
    }                                                                                               \
    template <class T, int N> vec<R, N> operator OP(vec<T, N> a, T b) { EACH(R, N, a.at[i] OP b); } \
    template <class T, int N> vec<R, N> operator OP(T a, vec<T, N> b) { EACH(R, N, a OP b.at[i]); }

BINARY(T, +)
BINARY(T, -)
BINARY(T, *)
BINARY(T, /)
BINARY(T, ^)
BINARY(T, &)
BINARY(T, |)
BINARY(bool, ==)
BINARY(bool, !=)
BINARY(bool, <)
BINARY(bool, >)
BINARY(bool, <=)
BINARY(bool, >=)

#define SHIFT(OP)                                                                \
    template <class T, class U, int N> vec<T, N> operator OP(vec<T, N> a, vec<U, N> b) { \
        EACH(T, N, a.at[i] OP b.at[i]);                                                  \
    }
SHIFT(<<)
SHIFT(>>)

template <class T, int N> vec<T, N> operator~(vec<T, N> a) { EACH(T, N, ~a.at[i]); }
template <class T, int N> vec<T, N> operator-(vec<T, N> a) { EACH(T, N, -a.at[i]); }
template <class T, int N> vec<T, N>& operator-=(vec<T, N>& a, vec<T, N> b) { return a = a - b; }

inline uint clz(uint a) { return a == 0 ? 32 : __builtin_clz(a); }
inline float floor(float a) { return std::floor(a); }
inline float sqrt(float a) { return std::sqrt(a); }
template <class T> T min(T a, T b) { return a < b ? a : b; }
template <class T> T max(T a, T b) { return a < b ? b : a; }
template <class T, class U> T clamp(T a, U low, U high) { return min(max(a, T(low)), T(high)); }
template <class T> T select(T no, T yes, bool which) { return which ? yes : no; }
inline bool all(bool a) { return a; }

template <class T, int N> vec<T, N> clz(vec<T, N> a) { EACH(T, N, clz(a.at[i])); }
template <class T, int N> vec<T, N> floor(vec<T, N> a) { EACH(T, N, floor(a.at[i])); }
template <class T, int N> vec<T, N> sqrt(vec<T, N> a) { EACH(T, N, sqrt(a.at[i])); }
template <class T, int N> vec<T, N> min(vec<T, N> a, vec<T, N> b) { EACH(T, N, min(a.at[i], b.at[i])); }
template <class T, int N> vec<T, N> max(vec<T, N> a, vec<T, N> b) { EACH(T, N, max(a.at[i], b.at[i])); }
template <class T, int N> vec<T, N> clamp(vec<T, N> a, vec<T, N> low, vec<T, N> high) {
    return min(max(a, low), high);
}
template <class T, int N> vec<T, N> select(vec<T, N> no, vec<T, N> yes, vec<bool, N> which) {
    EACH(T, N, which.at[i] ? yes.at[i] : no.at[i]);
}
template <int N> bool all(vec<bool, N> a) {
    bool found = true;
    for (int i = 0; i < N; i++) found = found && a.at[i];
    return found;
}

typedef uint atomic_uint;
enum memory_order { memory_order_relaxed };
inline uint atomic_load_explicit(atomic_uint const* at, memory_order) { return *at; }
inline uint atomic_fetch_add_explicit(atomic_uint* at, uint more, memory_order) {
    uint before = *at;
    *at += more;
    return before;
}
inline uint atomic_exchange_explicit(atomic_uint* at, uint with, memory_order) {
    uint before = *at;
    *at = with;
    return before;
}
inline uint atomic_fetch_xor_explicit(atomic_uint* at, uint with, memory_order) {
    uint before = *at;
    *at ^= with;
    return before;
}
inline uint atomic_fetch_or_explicit(atomic_uint* at, uint more, memory_order) {
    uint before = *at;
    *at |= more;
    return before;
}

}  // namespace metal

using metal::uint2;

template <class To, class From> To as_type(From from) {
    static_assert(sizeof(To) == sizeof(From), "as_type keeps the bits");
    To to;
    std::memcpy(&to, &from, sizeof to);
    return to;
}

// Metal has no double: such a literal is a float.
template <class To> To as_type(double literal) { return as_type<To>(float(literal)); }

/// What is bound, whatever the kernel takes it for.
struct Any {
    void* at;
    template <class T> operator T&() const { return *static_cast<T*>(at); }
};

struct Invocation {
    metal::uint3 workgroup, grid, id;
    uint local;
};

struct Kernel {
    /// Runs one invocation with what is at its bindings.
    void (*invoke)(Invocation const& at, Any const* bound);
    uint workgroup_size;
};
