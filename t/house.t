#!/usr/bin/perl

# The house: which room may know which, what stays in one room, and how the
# code reads.  Whoever wants it otherwise redesigns it in a commit of its own.

use strict;
use warnings;

use FindBin;
use Test::More;

my $top = "$FindBin::Bin/..";
chdir $top or die "$top: $!";

my @sources = sort(glob('module/*.c module/*.h module/*/*.c module/*/*.h'));
my @scripts = sort(glob('module/*/*.lua'));
my @pages = sort(glob('module/*/*.html'));

my %text = map { $_ => slurp($_) } @sources, @scripts,
                                   qw(config module/build t/run .ci/run);

# Includes go one way: road -> report -> ledger -> policy,
# road -> facts -> policy.  Facts and ledger do not see each other.

my %knows = (
    road   => [qw(road report ledger facts policy)],
    report => [qw(report ledger policy)],
    ledger => [qw(ledger policy)],
    facts  => [qw(facts policy)],
    policy => [qw(policy)],
);

my %room = map { (split m{/}, $_)[-1] => room($_) } @sources;
my @wrong;

for my $file (@sources) {
    my $room = room($file);

    # by whatever path it is named

    for my $header ($text{$file}
                    =~ m{^\s*#\s*include\s+["<](?:[^">]*/)?([^">]+)[">]}mg)
    {
        my $other = $room{$header} // next;

        push @wrong, "$file includes $header"
            unless grep { $_ eq $other } @{ $knows{$room} };
        push @wrong, "$file includes $header"
            if $header eq 'ngx_http_gate.h' && $room ne 'road';
    }
}

is("@wrong", '', 'includes go one way');

# policy/ is plain C

my %standard = map { $_ => 1 } qw(stddef.h stdint.h string.h limits.h math.h);

@wrong = ();

for my $file (grep { room($_) eq 'policy' } @sources) {
    push @wrong, map { "$file: $_" } grep { !$standard{$_} }
                 $text{$file} =~ /^\s*#\s*include\s+<([^>]+)>/mg;
    push @wrong, "$file: nginx" if $text{$file} =~ /\bngx_/;
}

for my $file (grep { m{/gate_\w+\.[ch]$} } @sources) {
    push @wrong, "$file: nginx" if $text{$file} =~ /\bngx_/;
}

is("@wrong", '', 'policy/ includes only standard headers, knows no nginx');

# What stays in one room

stays('ngx_http_request_t', sub { $_[0] =~ m{^module/(report/)?[^/]+$} });
stays('redisReply',
      sub { $_[0] =~ m{ledger/ngx_http_gate_
                       (link|replies|redis|cluster|cluster_map|cluster_inner|topology|script
                        |advice|channel|ledger|ledger_habits|ledger_holds
                        |ledger_order|ledger_read|ledger_sweep|ledger_usage
                        |ledger_events)\.}x });
stays('MMDB_', sub { $_[0] =~ m{facts/(gate_mmdb|ngx_http_gate_geo)} });
stays('ngx_shmtx_lock', sub { $_[0] =~ m{ledger/ngx_http_gate_zone\.} });

# No globals but ngx_module_t, const tables, what nginx's interface wants to be
# writable, and the next filters

@wrong = ();

my $tables = qr/ngx_module_t|ngx_command_t|ngx_http_module_t
                |ngx_http_variable_t|ngx_conf_enum_t|ngx_conf_bitmask_t
                |ngx_str_t\s+\w+\[\]|const\s
                |ngx_http_output_(header|body)_filter_pt/x;

for my $file (grep { /\.c$/ } @sources) {
    push @wrong, map { "$file: $_" } grep { !/$tables/ && !/\(/ }
                 $text{$file} =~ /^((?:static\s+)?(?!typedef|extern|struct\b)
                                    [a-z]\w+[ ][^\n(]*(?:;|=\s*\{?))$/xmg;
}

is(join("\n", @wrong), '', 'no globals');

# How it reads

lines('80 columns', sub { columns($_) > 80 });
lines('no tabs', sub { /\t/ });
lines('no trailing blanks', sub { / $/ });
lines('no // comments', sub { m{^(?:[^"]*"[^"]*")*[^"]*(?<!:)//} },
      grep { /\.[ch]$/ } keys %text);
lines('nothing left undone', sub { /\b(TODO|FIXME|XXX)\b/ });

@wrong = ();

for my $file (grep { /\.c$/ } @sources) {
    my ($n, $start) = (0, 0);

    for (split /\n/, $text{$file}) {
        $n++;
        $start = $n if /^\{/;
        push @wrong, "$file:$start" if /^\}/ && $start && $n - $start > 80;
    }
}

is("@wrong", '', 'no function is longer than 80 lines');

@wrong = grep { $text{$_} !~ m{^/\*\n \* \S} } @sources;
is("@wrong", '', 'a file opens with what it is about');

@wrong = ();

for my $file (@scripts) {
    my ($head) = $text{$file} =~ /\A((?:--.*\n)+)/;
    push @wrong, $file unless 3 == grep { ($head // '') =~ /\b$_\b/ }
                                   qw(KEYS ARGV RETURNS);
}

is("@wrong", '', 'a script opens with KEYS, ARGV and RETURNS');

@wrong = grep { my $name = (split m{/})[-1]; $text{config} !~ /\/\Q$name\E\b/ }
         @sources, @scripts, @pages;
is("@wrong", '', '"config" names every source');

my $layout = qr/^(module|config|t|conf-examples|README\.md|LICENSE|CHANGES\.md
                  |debian|build|\..*)$/x;
@wrong = grep { !/$layout/ } glob '*';
is("@wrong", '', 'the top level holds what the layout names');

done_testing();


sub room {
    my ($file) = @_;

    return $file =~ m{^module/(\w+)/} ? $1 : 'road';
}


sub stays {
    my ($word, $allowed) = @_;

    my @out = grep { $text{$_} =~ /\b\Q$word\E/ && !$allowed->($_) } @sources;
    is("@out", '', "$word stays where it belongs");
}


# as wide as it looks: texts in Japanese are two columns a character

sub columns {
    my ($line) = @_;

    utf8::decode($line);

    return length($line) + (() = $line =~ /\p{East_Asian_Width: W}/g)
                         + (() = $line =~ /\p{East_Asian_Width: F}/g);
}


sub lines {
    my ($what, $bad, @files) = @_;

    my @found;

    for my $file (sort(@files ? @files : keys %text)) {
        my $n = 0;

        for (split /\n/, $text{$file}) {
            $n++;
            push @found, "$file:$n" if $bad->();
        }
    }

    is("@found", '', $what);
}


sub slurp {
    my ($file) = @_;

    open my $fh, '<', $file or return '';
    local $/;
    return <$fh> // '';
}
