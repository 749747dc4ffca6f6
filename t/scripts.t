#!/usr/bin/perl

# The Lua scripts are the ledger of t/unit/lease_model.c: both are asked the
# same questions, late and repeated ones too, through losses of memory, and
# must answer alike, field by field.
#
# Redis' clock cannot be set, so this is replaced in a script: redis.call('TIME')
# becomes two of its KEYS; and another is the server's run id.
#
#   GATE_HISTORY=100000 GATE_SEED=7 prove t/scripts.t

use warnings;
use strict;

use Test::More;
use File::Temp qw/ tempdir /;
use FindBin;
use IO::Socket::UNIX;
use POSIX qw/ _exit /;

my $root = "$FindBin::Bin/..";
my $dir = tempdir(CLEANUP => 1);
my $questions = $ENV{GATE_HISTORY} || 20000;
my $seed = $ENV{GATE_SEED} || 1795498182;

plan(tests => 6);

my ($pid, $redis) = redis_start();
my %sha = map { $_ => ask('SCRIPT', 'LOAD', script($_)) }
	qw/ draw settle beat /;

is(system('cc', '-O2', '-std=c99', '-Wall', '-Wextra', '-Werror',
	"-I$root/module/policy", "$root/t/unit/lease_model.c", '-o',
	"$dir/model"), 0, 'the model compiles');

my ($asked, $hashes, $differs, @history) = (0, 0);

open(my $model, '-|', "$dir/model", '--history', $questions, $seed)
	or die "model: $!\n";

while (my $line = <$model>) {
	chomp $line;
	$differs = compare($line);
	last if $differs;
}

close($model);

is($differs, undef, "scripts answer as the model, seed $seed")
	or diag(join("\n", 'after:', @history));
cmp_ok($asked, '>=', $questions, "$questions questions were asked");
cmp_ok($hashes, '>', 0, 'and the hashes looked at');

# what was given beyond a limit ends by Redis' clock, whatever a node thinks

ask('FLUSHALL');
ask('HSET', 'epoch', 'id', 1, 'run', 'r', 'open', 0);

is(granted(1, 99, '10 5 100'), '15 0', 'until it ends there is more');
is(granted(2, 100, '10 5 100') . ' ' . granted(3, 99, '10'), '0 1 0 1',
	'then, and without, there is not');

END {
	my $status = $?;
	kill('TERM', $pid) && waitpid($pid, 0) if $pid;
	$? = $status;
}

###############################################################################

# does what a line of the model says; the answer is what differs, if any

{
my %saved;

sub compare {
	my ($line) = @_;
	my ($verb, @args) = split(/ /, $line);

	push @history, $line;

	if ($verb eq 'new' || $verb eq 'flush') {
		@history = ($line), %saved = () if $verb eq 'new';
		ask('FLUSHALL');
		ask('HSET', 'epoch', @args) if @args;
		return;
	}

	if ($verb eq 'forget') {
		ask('DEL', @args);
		return;
	}

	if ($verb eq 'save') {
		%saved = map { $_ => ask('HGETALL', $_) } qw/ account epoch /;
		return;
	}

	if ($verb eq 'restore') {
		for (qw/ account epoch /) {
			ask('DEL', $_);
			ask('HSET', $_, @{ $saved{$_} })
				if @{ $saved{$_} || [] };
		}
		return;
	}

	if ($verb eq 'account' || $verb eq 'epoch') {
		my %hash = @{ ask('HGETALL', $verb) };
		my $got = join(' ', sort map { "$_=$hash{$_}" }
						grep { !/^=/ } keys %hash);	# limits, as told
		my $want = join(' ', sort @args);

		$hashes++;

		return $got eq $want ? undef : "the $verb is\n$got\nand not\n$want";
	}

	return question($verb, $line);
}
}

sub question {
	my ($verb, $line) = @_;
	my ($argv, $want) = $line =~ /^\w+ (.*) = (.*)$/ or die "model: $line\n";
	my ($ms, $run, @argv) = split(/ /, $argv);
	my @keys = (int($ms / 1000), $ms % 1000 * 1000, $run, 'epoch');

	if ($verb eq 'beat') {
		unshift @keys, '-';
		$want .= " 0 2 $ms";            # marks, holds, the time
		push @argv, 'holds';

	} else {
		unshift @keys, 'account';
		splice @argv, 4, 0, 0;          # documents
	}

	my $reply = ask('EVALSHA', $sha{$verb}, 5, @keys, @argv);
	my $got = ref $reply ? "@$reply" : $reply;

	$asked++;

	return $got eq $want ? undef : "the answer is\n$got\nand not\n$want";
}

# the share of a node that needs 15 at a second, and whether it was refused

sub granted {
	my ($number, $now, $limit) = @_;

	my $reply = ask('EVALSHA', $sha{draw}, 5, "account$number", $now, 0, 'r',
		'epoch', 'n', 1, 0, 0, 0, 'q', 'h', 0, 0, $limit,
		(0) x 6, 15, 0, 0);

	return join(' ', @$reply[5, 7]);
}

# a script as the module has it, but for the clock

sub script {
	my ($name) = @_;
	my $text = '';

	my @parts = $name eq 'beat' ? 'epoch' : qw/ epoch documents account /;

	for my $file (@parts, $name) {
		open(my $fh, '<', "$root/module/ledger/$file.lua")
			or die "$file: $!\n";
		local $/;
		$text .= <$fh>;
	}

	$text =~ s/redis\.call\('TIME'\)/{ KEYS[2], KEYS[3] }/g == 1
		or die "the scripts look at the clock once\n";
	$text =~ s/redis\.call\('INFO', 'server'\):match\S+/KEYS[4]/g == 1
		or die "the scripts ask for the server once\n";

	return $text;
}

sub redis_start {
	my $path = "$dir/redis.sock";
	my $child = fork() // die "fork: $!\n";

	if ($child == 0) {
		open(STDOUT, '>', "$dir/redis.log");
		exec('redis-server', '--port', 0, '--unixsocket', $path, '--save',
			'', '--appendonly', 'no', '--dir', $dir) or _exit(1);
	}

	for (1 .. 200) {
		my $s = IO::Socket::UNIX->new(Peer => $path);
		return ($child, $s) if $s;
		die "redis-server does not start\n" if waitpid($child, 1);
		select(undef, undef, undef, 0.05);
	}

	die "redis-server does not listen\n";
}

sub ask {
	my (@args) = @_;

	print $redis '*' . @args . "\r\n",
		map { '$' . length($_) . "\r\n$_\r\n" } @args;
	$redis->flush();

	return answer();
}

sub answer {
	my $line = <$redis> // die "redis-server has gone\n";
	$line =~ s/\r\n$//;
	my ($type, $rest) = (substr($line, 0, 1), substr($line, 1));

	return $rest if $type =~ /[+:-]/;
	return [ map { answer() } 1 .. $rest ] if $type eq '*';

	read($redis, my $bulk, $rest + 2);
	return substr($bulk, 0, $rest);
}

###############################################################################
