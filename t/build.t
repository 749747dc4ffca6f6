#!/usr/bin/perl

# The module is built by clang as well as by gcc, with all warnings as errors,
# from a plain nginx tree, too; a static one has its filters at their place; and
# "config" names what is missing.
#
# The plain tree is what t/lib/nginx-source says.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Path qw(make_path);
use Test::Gate;
use Test::More;

my @with = map { "--with-$_" } qw(http_ssl_module http_v2_module
                                  http_realip_module http_gunzip_module
                                  http_gzip_static_module http_sub_module
                                  http_slice_module http_addition_module
                                  http_auth_request_module threads compat);

my $t = Test::Gate->new;
my $dir = $t->dir;
my $top = $t->top;
my $src = plain_tree();

$src or plan skip_all => 'no nginx sources are to be had: ' . said();

# no build of this checkout is disturbed

my $gate = tree('gate', map { "$top/$_" } qw(config module));

# module/build runs configure with --add-dynamic-module=

is(run("NGINX_SRC=$src CC=clang GATE_CFLAGS=-O0 $gate/module/build"), 0,
   'clang: module/build from a plain tree, without a warning') or diag(said());

$t->write_file('dynamic.conf', <<"END");
load_module  $gate/build/ngx_http_gate_module.so;
pid          $dir/nginx.pid;
events { }
http { gate_zone 1m; }
END

my $nginx = $ENV{TEST_NGINX} // 'nginx';
my $same = version("$nginx -v") eq version("cat $src/src/core/nginx.h");

SKIP: {
    skip 'the nginx here is of another version', 1 unless $same;

    is(run("$nginx -t -q -e $dir/error.log -c $dir/dynamic.conf"), 0,
       'clang: this nginx loads it') or diag(said());
}

# what gcc warns of in nginx itself is not ours

is(configured("--add-module=$gate --with-cc-opt=-O0"), 0, '--add-module=')
    or diag(said());
is(run('make -s -C plain'), 0, '--add-module=: is built') or diag(said());

$nginx = "$dir/plain/objs/nginx";

is(run("$nginx -V"), 0, '--add-module=: nginx runs');
like(said(), qr/--add-module=/, '--add-module=: and says that it is in it');

# ranges, gzip, chunks: filters that are nearer to the document than ours

for my $test (qw(trap_encoding trap_range)) {
    local @ENV{qw(TEST_NGINX TEST_NGINX_STATIC)} = ($nginx, 1);

    is(run("$^X -I$top/t/lib $top/t/$test.t"), 0, "static: $test.t passes")
        or diag(said());
}

# what is missing

my %missing = (
    'hiredis/hiredis.h' => [ 'the hiredis library', 'libhiredis-dev' ],
    'maxminddb.h'       => [ 'the libmaxminddb library', 'libmaxminddb-dev' ],
);

for my $header (sort keys %missing) {
    my ($what, $package) = @{ $missing{$header} };

    $t->write_file('cc', <<"END");
#!/bin/sh
for file; do
    case \$file in
        *autotest.c) ! grep -q '<$header>' "\$file" || exit 1 ;;
    esac
done
exec gcc "\$@"
END
    chmod 0755, "$dir/cc";

    isnt(configured("--add-dynamic-module=$gate --with-cc=$dir/cc"), 0,
         "no $header: configure fails");
    like(said(), qr/error:.the.gate.module.requires.\Q$what\E\.\n
                    .*apt.install.\Q$package\E\n/x,
         "no $header: and says which package to install");
}

@with = ();

isnt(configured("--add-module=$gate"), 0, 'no TLS: configure fails');
like(said(), qr/requires nginx with TLS\.\n.*--with-http_ssl_module/,
     'no TLS: and says which option is missing');

$t->done;

# Where a plain nginx tree is, or nothing.

sub plain_tree {
    return if run("$top/t/lib/nginx-source > source");

    return $t->read_file('source') =~ s/\n$//r;
}

sub version {
    my ($command) = @_;

    return qx($command 2>&1) =~ /\b(\d+\.\d+\.\d+)\b/ ? $1 : '';
}

# A directory with these in it, by links: what is built stays out of them.

sub tree {
    my ($name, @files) = @_;

    make_path("$dir/$name");
    symlink $_, "$dir/$name/" . s{.*/}{}r or die "$_: $!" for @files;

    return "$dir/$name";
}

# The plain tree, configured anew.

sub configured {
    my ($options) = @_;

    my $configure = -e "$src/configure" ? './configure' : './auto/configure';

    run('rm -rf plain');
    tree('plain', grep { !m{/(Makefile|objs)$} } glob "$src/*");

    return run("cd plain && $configure @with $options");
}

sub run {
    my ($command) = @_;

    return system("cd $dir && unset MAKEFLAGS && { $command; } > said 2>&1")
           >> 8;
}

# the last lines of what that said

sub said {
    my @lines = split /^/, $t->read_file('said');

    return join '', @lines > 30 ? @lines[-30 .. -1] : @lines;
}
